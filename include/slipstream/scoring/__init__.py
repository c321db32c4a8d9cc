"""Batch scoring: the champion, resolved once, on the population of one interval.

``score_population`` scores into staging; ``publish_predictions`` replaces the interval of ``predictions/<model>``.
``explain_prediction`` says why one prediction is what it is.
"""

from slipstream.scoring.explanation import Explanation, Reason, explain_prediction
from slipstream.scoring.score import Published, Scored, publish_predictions, score, score_population

__all__ = [
    "Explanation",
    "Published",
    "Reason",
    "Scored",
    "explain_prediction",
    "publish_predictions",
    "score",
    "score_population",
]
