"""Expectations, against what Great Expectations knows and what columns the source has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipstream.checking.findings import Findings
from slipstream.definitions import Expectation, Source
from slipstream.definitions.loading import Reading

_COLUMN_KEYS = ("column", "column_A", "column_B", "column_list", "column_set")
# Arguments that GX gives every expectation; what a row's or a batch's failure means is said by on_failure here.
_NOT_OURS = frozenset(
    {"id", "meta", "notes", "rendered_content", "batch_id", "catch_exceptions", "result_format", "windows", "severity"}
)


def check_contracts(reading: Reading, findings: Findings) -> None:
    """Find expectations that could not be run; Great Expectations is loaded only if there is any."""
    for source in reading.usable.sources.values():
        for position, expectation in zip(source.contract._positions, source.contract.expectations, strict=True):
            _check_one(source, position, expectation, findings)


def _check_one(source: Source, position: int, expectation: Expectation, findings: Findings) -> None:
    known = _implementations()
    path = ("expectations", str(position))
    if expectation.type not in known:
        message = f"Great Expectations has no {expectation.type!r}."
        findings.add_contract(source, (*path, "type"), message, found=expectation.type, allowed=sorted(known))
        return
    kind = known[expectation.type]
    columns = source.table_schema.names
    for key in _COLUMN_KEYS:
        value = expectation.kwargs.get(key)
        for name in value if isinstance(value, list | tuple) else [value]:
            if isinstance(name, str) and name not in columns:
                message = f"The source has no column {name!r}; it has {', '.join(columns)}."
                findings.add_contract(source, (*path, "kwargs", key), message, found=name, allowed=columns)
    if expectation.on_failure == "quarantine" and not _names_rows(kind):
        message = f"{expectation.type} judges the whole batch and names no rows, so it can only halt."
        findings.add_contract(source, (*path, "on_failure"), message, found="quarantine", allowed=("halt",))
    _check_arguments(source, path, expectation, kind, findings)


def _check_arguments(
    source: Source, path: tuple[str, ...], expectation: Expectation, kind: Any, findings: Findings
) -> None:
    allowed = sorted(set(kind.__fields__) - _NOT_OURS)
    unknown = [str(name) for name in expectation.kwargs if name not in allowed]
    for name in unknown:
        message = f"{expectation.type} takes no {name!r}; it takes {', '.join(allowed)}."
        findings.add_contract(source, (*path, "kwargs", name), message, found=name, allowed=allowed)
    required = [name for name, each in kind.__fields__.items() if each.required and name not in expectation.kwargs]
    for name in required:
        message = f"{expectation.type} wants the argument {name!r}; it is not there."
        findings.add_contract(source, (*path, "kwargs"), message)
    if unknown or required:
        return
    reasons: dict[str, str] = {}
    try:
        kind(**expectation.kwargs)
    except Exception as error:  # GX validates with whatever it likes
        listed: Any = getattr(error, "errors", None)
        for fault in listed() if listed else [{"loc": (), "msg": str(error)}]:
            reasons.setdefault(str(fault["loc"][0]) if fault["loc"] else "__root__", str(fault["msg"]))
    named = {name: reason for name, reason in reasons.items() if name != "__root__"} or reasons
    for name, reason in named.items():
        found = repr(expectation.kwargs[name]) if name in expectation.kwargs else None
        place = (*path, "kwargs", name) if name in expectation.kwargs else (*path, "kwargs")
        message = f"{expectation.type} does not take this: {reason}" + (f"; found {found}." if found else ".")
        findings.add_contract(source, place, message, found=found)


def _implementations() -> Mapping[str, Any]:
    import great_expectations.expectations.core  # noqa: F401 - registers them
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    names = [name for name in list_registered_expectation_implementations() if name.startswith("expect_")]
    return {name: get_expectation_impl(name) for name in names}


def _names_rows(kind: Any) -> bool:
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    return issubclass(kind, ColumnMapExpectation | ColumnPairMapExpectation | MulticolumnMapExpectation)
