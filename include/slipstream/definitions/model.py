"""``model.yaml``: a model, from the rows that it predicts to the policy that retrains it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from slipstream.definitions.base import Cron, Definition, Duration, FileName, Moment, Name, Strict
from slipstream.definitions.code import file_of
from slipstream.definitions.gate import GateCheck
from slipstream.definitions.problem import Fault, raise_faults
from slipstream.definitions.rules import model_faults
from slipstream.definitions.view import Input
from slipstream.intervals import Schedule

Task = Literal["binary_classification", "regression"]


def _view_feature(value: str) -> str:
    view, colon, feature = value.partition(":")
    if not (view and colon and feature):
        message = f"Wanted view:feature such as airport_weather:wind_speed, found {value!r}."
        raise ValueError(message)
    return value


FeatureName = Annotated[str, AfterValidator(_view_feature)]


class Population(Strict):
    """SQL that gives one row a prediction: the model's key, columns that name entities, and prediction_time."""

    sql: FileName = "population.sql"
    inputs: Mapping[Name, Input] = Field(min_length=1)


class Label(Strict):
    """SQL that gives the model's key, ``label`` and ``known_at``."""

    sql: FileName = "label.sql"
    inputs: Mapping[Name, Input] = Field(min_length=1)
    maturity: Duration = Field(
        description="So long after its prediction_time a row either has its label or never will."
    )


class Training(Strict):
    """What a challenger is fitted on and which candidates compete."""

    schedule: Cron | None = Field(
        default=None, description="Regular trainings; none: only on a retrain signal or by hand."
    )
    window: Duration = timedelta(days=365)
    validation_share: float = Field(default=0.2, gt=0, lt=1, description="The last part of the window, by time.")
    min_rows: int = Field(default=500, ge=2)
    refit: bool = Field(default=True, description="Refit the best candidate on training and validation rows together.")
    candidates: Mapping[str, Sequence[Any]] = Field(default_factory=dict, description="A parameter grid.")

    def grid(self) -> list[dict[str, Any]]:
        """Every combination of the parameter grid, in the order of the file; one empty set where there is none."""
        return [
            dict(zip(self.candidates, values, strict=True)) for values in itertools.product(*self.candidates.values())
        ]

    @field_validator("candidates")
    @classmethod
    def _no_empty_axis(cls, value: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
        empty = [name for name, values in value.items() if isinstance(values, str) or len(values) == 0]
        raise_faults(Fault((name,), "Wanted a list of at least one value, found none.") for name in empty)
        return value


class Evaluation(Strict):
    """The newest matured rows, which no version that is compared was trained on."""

    window: Duration = timedelta(days=14)
    min_rows: int = Field(default=500, ge=2)


class Approval(Strict):
    """Whether a person has to say yes between gate and promotion."""

    required: bool = False
    approvers: tuple[str, ...] = ()
    timeout: Duration = timedelta(days=2)

    @model_validator(mode="after")
    def _somebody_may_approve(self) -> Approval:
        if self.required and not self.approvers:
            message = "An approval that is required wants at least one user name; found none."
            raise_faults([Fault(("approvers",), message)])
        return self


class Explain(Strict):
    """Which predictions are stored with their reasons, and how many of these."""

    top: int = Field(default=5, ge=1, le=100, description="So many features with the largest contributions.")
    rows: Literal["all"] | None = Field(default=None, description="all: every prediction. It, or top_fraction.")
    top_fraction: float | None = Field(
        default=None, gt=0, le=1, description="Only the highest scores of an interval, this share of them."
    )

    @model_validator(mode="after")
    def _says_which(self) -> Explain:
        if (self.rows is None) == (self.top_fraction is None):
            found = "neither" if self.rows is None else "both"
            message = f"Wanted either rows: all or top_fraction, a share such as 0.05; found {found}."
            raise_faults([Fault(("rows",), message)])
        return self


class Scoring(Strict):
    """When rows are scored: at the start of their interval (ahead of events) or after its end."""

    schedule: Cron = "0 0 * * *"
    at: Literal["start", "end"] = "end"
    explain: Explain | None = Field(default=None, description="Store reasons with predictions; none: no reasons.")


class Persistence(Strict):
    """How many of the last windows have to be beyond their bounds before that is an alarm."""

    windows: int = Field(default=3, ge=1, le=100, description="So many windows are looked at, the newest one included.")
    alarms: int = Field(default=2, ge=1, description="So many of them beyond their bounds are an alarm.")

    @model_validator(mode="after")
    def _can_be_reached(self) -> Persistence:
        if self.alarms > self.windows:
            message = f"Wanted at most as many alarms as windows, {self.windows}; found {self.alarms}."
            raise_faults([Fault(("alarms",), message)])
        return self


class Monitoring(Strict):
    """The window that is compared with the champion's reference sample, and the bounds of what is noise."""

    schedule: Cron = "0 0 * * *"
    window: Duration = timedelta(days=7)
    sample: int = Field(
        default=2000, ge=50, description="Rows a side that a report reads, chosen by a hash of the key."
    )
    min_rows: int = Field(default=200, ge=2, description="A window of fewer rows, or labels, is not judged.")
    also_compare: tuple[Literal["week_before", "year_before"], ...] = Field(
        default=(),
        description="Windows that are looked at beside the reference; a year is 52 weeks. They raise no alarm.",
    )
    number_method: Literal["wasserstein", "jensenshannon", "psi"] = "wasserstein"
    category_method: Literal["jensenshannon", "psi"] = "jensenshannon"
    drift_threshold: float = Field(default=0.2, gt=0, description="Effect size above which a feature has drifted.")
    drift_share: float = Field(
        default=0.1, gt=0, le=1, description="Share of the model's attributions on drifted features that is an alarm."
    )
    missing_threshold: float = Field(
        default=0.03, gt=0, le=1, description="Missing values beyond those of the reference, as a share of rows."
    )
    noise_quantile: float = Field(
        default=0.997,
        ge=0,
        lt=1,
        description="Nothing is an alarm below this quantile of what windows of the reference's own days show.",
    )
    small_sample: int = Field(
        default=500, ge=0, description="With fewer values on a side, a column's drift must also be significant."
    )
    false_discovery_rate: float = Field(
        default=0.05, gt=0, lt=1, description="Of small samples, by Benjamini and Hochberg over the features."
    )
    performance_margin: float = Field(
        default=0.1, gt=0, description="Relative loss above the reference that is an alarm."
    )
    min_label_share: float = Field(
        default=0.8, ge=0, le=1, description="Performance is pending while a smaller share of a window has labels."
    )
    persistence: Persistence = Persistence()
    alerts: str | None = Field(
        default=None,
        min_length=1,
        description="The Airflow connection by which changes of an alarm are told. Default: slipstream_alerts.",
    )


class Retraining(Strict):
    """What starts a training by itself, and how often at most."""

    reasons: tuple[Literal["drift", "performance", "schedule", "new_labels", "manual"], ...] = Field(
        default=("drift", "performance"),
        description="drift and performance: an alarm. new_labels: min_new_labels of them, without an alarm. A training "
        "by training.schedule or by hand always starts; schedule and manual may be named, and change nothing.",
    )
    cooldown: Duration = Field(default=timedelta(days=7), description="So old the newest training has to be.")
    min_new_labels: int = Field(
        default=1000, ge=0, description="So many labels have to have matured since the newest training."
    )
    min_new_share: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="A training waits until the version in service is older than this share of the time its rows span.",
    )


class Card(Strict):
    """What a team says on the model card beyond what is measured; all of it may be left out."""

    limits: tuple[str, ...] = Field(default=(), description="Known weaknesses, and what to do about them.")
    out_of_scope: tuple[str, ...] = Field(default=(), description="Uses that it is not made for.")
    ethics: str | None = Field(default=None, min_length=1, description="Who is affected, and how; what was weighed.")


class Model(Definition):
    """``model.yaml``."""

    kind: ClassVar[str] = "model"
    file_name: ClassVar[str] = "model.yaml"
    not_in_digest: ClassVar[frozenset[str]] = Definition.not_in_digest | {"card"}

    purpose: str = Field(min_length=1)
    task: Task
    start: Moment
    key: tuple[str, ...] = Field(min_length=1)
    population: Population
    label: Label
    features: tuple[FeatureName, ...] = Field(min_length=1)
    keys: Mapping[str, Mapping[str, str]] = Field(
        default_factory=dict, description="view: {its entity column: the population's column}, where names differ."
    )
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    seed: int = Field(ge=0, le=2**32 - 1)
    gate: tuple[GateCheck, ...] = Field(min_length=1)
    approval: Approval = Approval()
    scoring: Scoring = Scoring()
    monitoring: Monitoring = Monitoring()
    retraining: Retraining = Retraining()
    card: Card = Card()

    @property
    def table(self) -> str:
        return f"predictions/{self.name}"

    @property
    def monitoring_table(self) -> str:
        return f"monitoring/{self.name}"

    @property
    def cron(self) -> Schedule:
        """The schedule of its predictions."""
        return Schedule(self.scoring.schedule)

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views that it uses, in the order of first use."""
        return tuple(dict.fromkeys(feature.partition(":")[0] for feature in self.features))

    def features_of(self, view: str) -> dict[str, str]:
        """Output column to feature name, for one view: ``{"weather__wind": "wind"}``."""
        names = (feature.partition(":") for feature in self.features)
        return {f"{owner}__{name}": name for owner, _, name in names if owner == view}

    @property
    def feature_columns(self) -> list[str]:
        """What an estimator sees, in the order of model.yaml: ``view__feature``."""
        return [feature.replace(":", "__") for feature in self.features]

    @property
    def default_loss(self) -> str:
        return "log_loss" if self.task == "binary_classification" else "absolute_error"

    @property
    def training_files(self) -> tuple[str, ...]:
        """Files whose content changes what training makes."""
        return (self.population.sql, self.label.sql, "estimator.py")

    @property
    def digest_files(self) -> tuple[str, ...]:
        named = (getattr(each, "function", None) for each in self.gate)
        return tuple(dict.fromkeys([*self.training_files, *(file_of(each) for each in named if each)]))

    @property
    def training_digest(self) -> str:
        """SHA-256 of all that changes what training makes: not the gate, approval, scoring or monitoring."""
        names = ("task", "key", "population", "label", "features", "keys", "training", "evaluation", "seed")
        dumped = self.model_dump(mode="json")
        dumped["training"] = {k: v for k, v in dumped["training"].items() if k != "schedule"}
        return self._digest_of({name: dumped[name] for name in names}, self.training_files)

    @property
    def scoring_digest(self) -> str:
        """SHA-256 of all that changes what a version predicts: who is predicted and when. The rest is the version's."""
        names = ("key", "population", "keys", "scoring")
        dumped = self.model_dump(mode="json")
        return self._digest_of({name: dumped[name] for name in names}, (self.population.sql,))

    def _digest_of(self, content: Mapping[str, Any], files: Sequence[str]) -> str:
        whole = [content, {file: self.text(file) for file in files}]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    @model_validator(mode="after")
    def _keeps_the_rules(self, info: ValidationInfo) -> Model:
        if not (info.context or {}).get("lenient"):
            raise_faults(model_faults(self.model_dump(exclude_unset=True)))
        return self
