"""Great Expectations without its noise, files or network: expectations in, results out."""

from __future__ import annotations

import functools
import json
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMAT = {"result_format": "COMPLETE", "partial_unexpected_count": 5, "return_unexpected_index_query": False}


@dataclass(frozen=True)
class Result:
    """What an expectation found.

    Attributes:
        rows: Positions of the rows that break it, for expectations that judge rows.
        observed: What was there, for a message.
        error: Why it could not be evaluated.
    """

    success: bool
    rows: tuple[int, ...] = ()
    observed: Any = None
    error: str | None = None


@functools.cache
def _gx() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations._docs_decorators").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations
    return great_expectations


@functools.cache
def _frames(process: int) -> Any:
    """Return where frames are put to be judged; one a process, since it is not made for a fork."""
    context = _gx().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("batches").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("whole")


def _implementation(type_: str) -> Any:
    _gx()
    from great_expectations.expectations.registry import get_expectation_impl

    return get_expectation_impl(type_)


def known() -> list[str]:
    """Return the names of all expectations that GX has."""
    _gx()
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    return sorted(list_registered_expectation_implementations())


def fault(type_: str, kwargs: Mapping[str, Any], *, by_row: bool) -> str | None:
    """Say what is wrong with an expectation as it is written; None where it can be run."""
    from slipstream.definitions.problem import nearest

    names = known()
    if type_ not in names:
        close = nearest(type_, names)
        hint = f" Did you mean {close!r}?" if close else ""
        return f"Great Expectations has no {type_!r}.{hint}"
    implementation = _implementation(type_)
    try:
        implementation(**kwargs)
    except Exception as error:  # pydantic's errors of either version, and GX's own
        return f"{type_}: {_one_line(error)}"
    if by_row and not _judges_rows(implementation):
        return f"{type_} judges a batch, not rows, so that it cannot quarantine; give it `on_failure: halt`."
    return None


def _judges_rows(implementation: Any) -> bool:
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    return issubclass(implementation, ColumnMapExpectation | ColumnPairMapExpectation | MulticolumnMapExpectation)


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300] or type(error).__name__


def run(expectations: Sequence[tuple[str, Mapping[str, Any]]], frame: pd.DataFrame) -> list[Result]:
    """Judge a frame; results come in the order of the expectations."""
    frame = frame.reset_index(drop=True)
    built = [
        _implementation(type_)(**kwargs, meta={"place": place}) for place, (type_, kwargs) in enumerate(expectations)
    ]
    suite = _gx().ExpectationSuite(name="contract", expectations=built)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = _frames(os.getpid()).get_batch({"dataframe": frame})
        found = batch.validate(suite, result_format=_FORMAT)
    results = {item.expectation_config.meta["place"]: _result(item) for item in found.results}
    return [results[place] for place in range(len(expectations))]


def _result(item: Any) -> Result:
    raised = _exception(item.exception_info or {})
    if raised:
        return Result(False, error=raised)
    details = item.result or {}
    rows = tuple(int(row) for row in details.get("unexpected_index_list") or ())
    return Result(bool(item.success), rows, _observed(details))


def _exception(info: Mapping[str, Any]) -> str | None:
    if info.get("raised_exception"):
        return _one_line(Exception(info.get("exception_message")))
    nested = [value for value in info.values() if isinstance(value, Mapping) and value.get("raised_exception")]
    return _one_line(Exception(nested[0].get("exception_message"))) if nested else None


def _observed(details: Mapping[str, Any]) -> Any:
    if "observed_value" in details:
        return json.loads(json.dumps(details["observed_value"], default=str))
    if "unexpected_count" in details:
        examples = json.loads(json.dumps(details.get("partial_unexpected_list") or [], default=str))
        return f"{details['unexpected_count']} of {details.get('element_count')} rows break it, such as {examples[:5]}"
    return None


def describe(type_: str, kwargs: Mapping[str, Any]) -> str:
    """Return an expectation in one line: its name without ``expect_``, and its arguments."""
    given = ", ".join(f"{key}={value}" for key, value in kwargs.items())
    return f"Expected {type_.removeprefix('expect_').replace('_', ' ')} ({given})"
