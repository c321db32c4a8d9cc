"""The checks of the gate beyond the metric itself, each in a module of its own; importing them registers them."""

from slipstream.promotion.checks import budget, calibration, fairness, own, schema, slices, stability, value

__all__ = ["budget", "calibration", "fairness", "own", "schema", "slices", "stability", "value"]
