"""Feature views become rows; rows become training and scoring sets, true to what was known when.

``materialise`` writes one interval of a view. ``population_set`` gives a model's rows with their features (and labels)
for any stretch of time; training and scoring both call it. ``missing_inputs`` says what a stage has to wait for.
"""

from slipstream.features.inputs import Needed, missing_inputs, model_inputs, view_inputs
from slipstream.features.materialise import Materialised, materialise
from slipstream.features.sets import FeatureSet, feature_batches, population_set

__all__ = [
    "FeatureSet",
    "Materialised",
    "Needed",
    "feature_batches",
    "materialise",
    "missing_inputs",
    "model_inputs",
    "population_set",
    "view_inputs",
]
