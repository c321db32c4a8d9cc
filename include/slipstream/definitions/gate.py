"""The checks that ``gate:`` in model.yaml may name, with their settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from slipstream.definitions.base import Duration, Strict
from slipstream.definitions.problem import Fault, raise_faults
from slipstream.intervals import duration


def _above_zero(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        message = "Wanted more than 0."
        raise ValueError(message)
    return value


Block = Annotated[Duration, AfterValidator(_above_zero)]
Function = Annotated[
    str, Field(pattern=r"^[a-z_][\w]*:[a-zA-Z_]\w*$", description="file:function of the model's own folder.")
]
Loss = Literal["log_loss", "brier", "absolute_error", "squared_error"]


class BaselineCheck(Strict):
    """The challenger beats a constant: the class prior, or the median, of its own training labels."""

    check: Literal["baseline"]
    metric: Loss | None = Field(default=None, description="Per-row loss. Default: log_loss, or absolute_error.")
    min_gain: float = 0.0


class MetricGainCheck(Strict):
    """The challenger's per-row loss is lower than the champion's on the same rows, resampled by blocks of time."""

    check: Literal["metric_gain"]
    metric: Loss | None = Field(default=None, description="Per-row loss. Default: log_loss, or absolute_error.")
    mode: Literal["superiority", "non_inferiority"] = "superiority"
    min_gain: float = Field(default=0.0, description="superiority: the lower bound must exceed it.")
    margin: float = Field(default=0.0, ge=0, description="non_inferiority: the lower bound must exceed its negative.")
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="One-sided level of the test.")
    resamples: int = Field(default=10_000, ge=200)
    block: Block = duration("1d")

    @model_validator(mode="after")
    def _a_margin_is_for_non_inferiority(self) -> MetricGainCheck:
        if self.mode == "non_inferiority" and self.margin <= 0:
            message = "non_inferiority wants a margin above 0; found 0. Say how much worse would still be fine."
            raise_faults([Fault(("margin",), message)])
        return self


class CalibrationCheck(Strict):
    """The challenger's scores mean what they say: predicted against observed, by equally filled bins of the score."""

    check: Literal["calibration"]
    limit: float | None = Field(
        default=None,
        gt=0,
        description="Of the calibration error, in probability (default 0.05); of a regression's bias, in standard "
        "deviations of the labels (default 0.15). What chance alone gives is allowed on top.",
    )
    margin: float = Field(default=0.02, ge=0, description="How much worse than the champion's is still fine.")
    bins: int = Field(default=10, ge=2, le=100)
    block: Block = duration("1d")


class _ByColumn(Strict):
    """What checks of groups of rows have in common."""

    columns: tuple[str, ...] = Field(
        min_length=1, description="Columns that make the groups: view:feature, or a column of the population."
    )
    buckets: int = Field(default=4, ge=2, le=100, description="A number with more values is cut at so many quantiles.")
    min_rows: int = Field(default=200, ge=2, description="A group with fewer rows is not judged.")


class SlicesCheck(_ByColumn):
    """No group of rows is worse off than under the champion, corrected for the number of groups."""

    check: Literal["slices"]
    metric: Loss | None = Field(default=None, description="Per-row loss. Default: log_loss, or absolute_error.")
    margin: float = Field(default=0.0, ge=0, description="How much worse a group may be, in the loss.")
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="Chance of a false alarm in any group.")
    resamples: int = Field(default=10_000, ge=200)
    block: Block = duration("1d")


class StabilityCheck(Strict):
    """Scores, decisions and their reasons do not change too much for those who read them."""

    check: Literal["stability"]
    threshold: float = Field(default=0.5, gt=0, lt=1, description="A score from here on is a yes.")
    max_flips: float = Field(default=0.1, ge=0, le=1, description="Share of decisions that may change.")
    max_shift: float | None = Field(
        default=None,
        ge=0,
        description="Of the mean absolute change: in probability (default 0.1), or in standard deviations of a "
        "regression's labels (default 0.5).",
    )
    top: int = Field(
        default=5, ge=0, description="So many of the champion's most important features may not vanish or turn round."
    )
    min_share: float = Field(
        default=0.1, ge=0, le=1, description="Such a feature keeps at least this part of its share of the importance."
    )


OUTCOMES = ("true_positive", "false_positive", "true_negative", "false_negative")


class ValueCheck(Strict):
    """Predictions by the challenger are worth more a day than by the champion."""

    check: Literal["value"]
    function: Function | None = Field(
        default=None,
        description="What each prediction is worth, as a function of labels and predictions: `estimator:value`. "
        "Without: the four outcomes of a decision, below.",
    )
    threshold: float = Field(default=0.5, gt=0, lt=1, description="A score from here on is a yes.")
    true_positive: float = Field(default=0.0, description="What a yes that was right is worth; a cost is negative.")
    false_positive: float = Field(default=0.0, description="What a yes that was wrong is worth.")
    true_negative: float = Field(default=0.0, description="What a no that was right is worth.")
    false_negative: float = Field(default=0.0, description="What a no that was wrong is worth.")
    unit: str = Field(default="units", min_length=1, description="Of the values, such as EUR; for people to read.")
    min_gain: float = Field(default=0.0, description="The gain's lower bound must exceed it, in units a day.")
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="One-sided level of the test.")
    resamples: int = Field(default=10_000, ge=200)
    block: Block = duration("1d")

    @model_validator(mode="after")
    def _a_decision_makes_a_difference(self) -> ValueCheck:
        if self.function is not None:
            # By value, for a recorded definition names every field.
            fields = type(self).model_fields
            given = [name for name in ("threshold", *OUTCOMES) if getattr(self, name) != fields[name].default]
            message = "The function says what a prediction is worth; remove {}."
            raise_faults(Fault((name,), message.format(name)) for name in sorted(given))
        elif self.true_positive == self.false_negative and self.false_positive == self.true_negative:
            message = (
                "Each decision is worth the same whether it is yes or no, so no version can gain anything. Say what "
                "true_positive, false_positive, true_negative and false_negative are worth, or name a function."
            )
            raise_faults([Fault(("true_positive",), message)])
        return self


class FairnessCheck(_ByColumn):
    """Groups are chosen alike, and are no worse off than under the champion."""

    check: Literal["fairness"]
    threshold: float = Field(default=0.5, gt=0, lt=1, description="A score from here on is a yes.")
    min_ratio: float | None = Field(
        default=0.8, gt=0, le=1, description="Least over largest share of yes among the groups; null: not judged."
    )
    max_difference: float | None = Field(
        default=0.1, ge=0, le=1, description="Equalised odds difference among the groups; null: not judged."
    )
    margin: float = Field(default=0.05, ge=0, description="How much worse than the champion's either may be.")


class SchemaCheck(Strict):
    """Features have the names and types that both versions were trained on, and none of them is the answer itself."""

    check: Literal["schema"]
    max_auc: float = Field(default=0.99, gt=0.5, le=1, description="Of one feature alone; classification.")
    max_correlation: float = Field(default=0.999, gt=0, le=1, description="Of one feature with the label; regression.")


class BudgetCheck(Strict):
    """Scoring takes not much more time or memory, nor the model's file much more space, than the champion's."""

    check: Literal["budget"]
    max_time_ratio: float = Field(default=3.0, gt=0, description="Scoring time over the champion's.")
    max_size_ratio: float = Field(default=5.0, gt=0, description="Size of the model's file over the champion's.")
    max_memory_ratio: float = Field(
        default=5.0, gt=0, description="Peak memory of loading it and scoring 1,000 rows over the champion's."
    )
    max_seconds: float | None = Field(default=None, gt=0, description="To score 1,000 rows; none: no limit.")
    max_peak_megabytes: float | None = Field(
        default=None, gt=0, description="Of memory, to load it and to score 1,000 rows; none: no limit."
    )
    max_megabytes: float | None = Field(default=None, gt=0, description="Of the model's file; none: no limit.")
    repeats: int = Field(default=7, ge=1, le=100, description="The fastest of so many runs counts.")


class OwnCheck(Strict):
    """A check of the team's own: a function in the model's folder, of the evidence and its settings."""

    check: Literal["own"]
    function: Function = Field(description="`checks:no_night_flights`: its name stands for it in the verdict.")
    settings: Mapping[str, Any] = Field(default_factory=dict, description="Given to the function by keyword.")

    @model_validator(mode="after")
    def _bears_no_name_of_another(self) -> OwnCheck:
        name = self.function.partition(":")[2]
        if name in BUILT_IN:
            message = (
                f"The gate has a check {name!r} already, and a verdict must not mix them up; name yours otherwise."
            )
            raise_faults([Fault(("function",), message, name)])
        return self


BUILT_IN = frozenset(
    {"baseline", "metric_gain", "calibration", "slices", "stability", "value", "fairness", "schema", "budget", "own"}
)
GateCheck = Annotated[
    BaselineCheck
    | MetricGainCheck
    | CalibrationCheck
    | SlicesCheck
    | StabilityCheck
    | ValueCheck
    | FairnessCheck
    | SchemaCheck
    | BudgetCheck
    | OwnCheck,
    Field(discriminator="check"),
]
