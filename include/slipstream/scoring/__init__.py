"""Batch scoring: the champion, resolved once, on the population of one interval.

``score_population`` scores into staging; ``publish_predictions`` replaces the interval of ``predictions/<model>``.
"""

from slipstream.scoring.score import Published, Scored, publish_predictions, score, score_population

__all__ = ["Published", "Scored", "publish_predictions", "score", "score_population"]
