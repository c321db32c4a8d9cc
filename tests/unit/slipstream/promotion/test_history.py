from __future__ import annotations

import itertools
import json
import multiprocessing
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipstream.errors import WriteConflictError
from slipstream.intervals import utc
from slipstream.lake import Lake, Provenance, Run
from slipstream.promotion.history import (
    TABLE,
    Entry,
    LedgerRow,
    append,
    champion,
    last_change,
    ledger,
    models,
    schema,
    stack,
)

NOON = utc("2013-01-01T12:00")
RUN = Run(dag_id="shop", run_id="manual", task_id="promote")


def entry(action: str, version: str | None = None, **more) -> Entry:
    return Entry(action=action, version=version, reason="because", by="tester", run_id="shop/manual", **more)


def write(lake: Lake, model: str, action: str, version: str | None = None) -> LedgerRow:
    return append(model, lake=lake, run=RUN, decide=lambda rows: entry(action, version))


def test_nobody_is_champion_before_the_first_promotion(tmp_path):
    lake = Lake(tmp_path)
    assert champion("a", lake=lake) is None
    assert ledger("a", lake=lake) == []
    write(lake, "a", "rejected")
    assert champion("a", lake=lake) is None
    assert champion("b", lake=lake) is None


def test_each_row_names_the_champion_that_it_replaces(tmp_path):
    lake = Lake(tmp_path)
    steps = [("promoted", "1"), ("rejected", None), ("promoted", "3"), ("undecided", None), ("rolled_back", "1")]
    for action, version in steps:
        write(lake, "a", action, version)
        write(lake, "b", "promoted", "9")
    rows = ledger("a", lake=lake)
    assert [(row.seq, row.version, row.replaces) for row in rows] == [
        (1, "1", None),
        (2, "1", "1"),
        (3, "3", "1"),
        (4, "3", "3"),
        (5, "1", "3"),
    ]


def test_who_was_champion_at_a_moment_can_be_asked(tmp_path):
    lake = Lake(tmp_path)
    first, second = write(lake, "a", "promoted", "1"), write(lake, "a", "promoted", "2")
    tick = timedelta(microseconds=1)
    assert champion("a", lake=lake, at=first.at - tick) is None
    assert champion("a", lake=lake, at=first.at).version == "1"
    assert champion("a", lake=lake, at=second.at - tick).version == "1"
    assert champion("a", lake=lake, at=second.at).version == "2"
    assert champion("a", lake=lake).version == "2"


def test_a_clock_that_is_set_back_does_not_reorder_history(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    first = write(lake, "a", "promoted", "1")

    class Earlier(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2000, 1, 1, tzinfo=UTC)

    monkeypatch.setattr("slipstream.lake.journal.datetime", Earlier)
    assert write(lake, "a", "promoted", "2").at > first.at
    assert champion("a", lake=lake).version == "2"


def test_a_row_survives_json(tmp_path):
    row = append("a", lake=Lake(tmp_path), run=RUN, decide=lambda rows: entry("rejected", verdict={"x": [1, None]}))
    assert LedgerRow.from_dict(json.loads(json.dumps(row.as_dict()))) == row
    assert ledger("a", lake=Lake(tmp_path)) == [row]


def test_a_ledger_of_an_earlier_release_is_read_and_written_on(tmp_path):
    lake = Lake(tmp_path)
    columns = [name for name in schema().names if name != "approval"]
    old = dict.fromkeys(columns) | {"model": "a", "seq": 1, "at": NOON, "action": "promoted", "version": "1"}
    rows = pa.Table.from_pylist([old], schema=pa.schema([schema().field(name) for name in columns]))
    lake.table(TABLE).append(rows, expected_version=None, provenance=Provenance(run=RUN))

    assert champion("a", lake=lake).version == "1"
    answer = {"answer": "yes", "by": "ada"}
    append("a", lake=lake, run=RUN, decide=lambda rows: entry("promoted", "2", approval=answer))
    write(lake, "b", "rejected")

    found = [(row.seq, row.replaces, row.approval) for row in ledger("a", lake=lake)]
    assert found == [(1, None, None), (2, "1", answer)]
    assert ledger("b", lake=lake)[0].approval is None
    assert models(lake=lake) == ["a", "b"]
    assert models(lake=Lake(tmp_path / "other")) == []


def test_a_row_that_others_write_meanwhile_is_seen_before_ours_is_written(tmp_path):
    lake, seen = Lake(tmp_path), []

    def slow(rows):
        seen.append([row.version for row in rows])
        if len(seen) == 1:
            write(lake, "a", "promoted", "other")
        return entry("promoted", "mine")

    assert append("a", lake=lake, run=RUN, decide=slow).replaces == "other"
    assert seen == [[], ["other"]]


def test_one_who_never_gets_a_turn_is_told_so_and_wrote_nothing(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    monkeypatch.setattr("slipstream.lake.journal.ATTEMPTS", 2)

    def always_late(rows):
        write(lake, "b", "promoted", "1")
        return entry("promoted", "mine")

    with pytest.raises(WriteConflictError, match="Nothing was written"):
        append("a", lake=lake, run=RUN, decide=always_late)
    assert ledger("a", lake=lake) == []


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["promoted", "rejected", "rolled_back"]), st.integers(1, 4)),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=ACTIONS)
def test_at_every_moment_there_is_exactly_one_champion_and_it_is_the_last_that_was_written(tmp_path_factory, steps):
    lake, truth = Lake(tmp_path_factory.mktemp("lake")), {"a": [], "b": []}
    for model, action, number in steps:
        row = write(lake, model, action, str(number))
        held = truth[model][-1][1] if truth[model] else None
        truth[model].append((row.at, held if action == "rejected" else str(number)))
    for model, history in truth.items():
        rows = ledger(model, lake=lake)
        assert [row.seq for row in rows] == list(range(1, len(history) + 1))
        assert [row.at for row in rows] == sorted({row.at for row in rows})
        for at, version in history:
            found = last_change(rows, at=at)
            assert (found.version if found else None) == version
        assert all(later.replaces == earlier.version for earlier, later in itertools.pairwise(rows))


def test_going_back_takes_away_what_was_left():
    def rows(*steps):
        blank = dict.fromkeys(LedgerRow.__dataclass_fields__)
        return [LedgerRow(**{**blank, "action": action, "version": version}) for action, version in steps]

    promoted = [("promoted", "1"), ("promoted", "2"), ("promoted", "3")]
    assert stack(rows(*promoted)) == ["1", "2", "3"]
    assert stack(rows(*promoted, ("rolled_back", "2"))) == ["1", "2"]
    assert stack(rows(*promoted, ("rolled_back", "2"), ("rolled_back", "1"))) == ["1"]
    assert stack(rows(*promoted, ("rejected", "3"), ("rolled_back", "1"), ("promoted", "4"))) == ["1", "4"]


def _promote_if_first(root: str, version: str, barrier, answers) -> None:
    lake = Lake(root)

    def decide(rows):
        if last_change(rows) is not None:
            message = f"{version} came too late"
            raise LookupError(message)
        return entry("promoted", version)

    barrier.wait(60)
    try:
        append("a", lake=lake, run=RUN, decide=decide)
        answers.put((version, "won"))
    except LookupError:
        answers.put((version, "late"))


def test_of_processes_that_promote_at_once_exactly_one_wins(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.Queue()
    given = [
        context.Process(target=_promote_if_first, args=(str(tmp_path), str(number), barrier, answers))
        for number in range(3)
    ]
    for process in given:
        process.start()
    found = dict(answers.get(timeout=120) for _ in given)
    for process in given:
        process.join(60)
    assert sorted(found.values()) == ["late", "late", "won"]
    rows = ledger("a", lake=Lake(tmp_path))
    assert [found[row.version] for row in rows] == ["won"]
    assert Lake(tmp_path).table(TABLE).version() == 0
