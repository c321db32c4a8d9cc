"""Why a model gives the score that it gives: Shapley values of an ensemble of trees, by the exact tree algorithm.

``attribute`` splits each score into a baseline and one contribution a feature, which add up to it. Nothing but the
estimator goes in, no background data, so a version explains itself. ``refusal`` says why an estimator cannot be
explained. The method: Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
Nature Machine Intelligence 2, 2020 (path-dependent tree SHAP). Light to import: shap is loaded by the first call.
"""

from __future__ import annotations

from slipstream.attribution.explainer import Attributions, Explainer, attribute, refusal
from slipstream.attribution.trees import UNITS, Unit

__all__ = ["UNITS", "Attributions", "Explainer", "Unit", "attribute", "refusal"]
