"""Rows of a subject taken out of one table, all its versions and its log, and kept out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.errors import SettingsError, WriteConflictError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance, Run, Table
from slipstream.lake.erasures import BEGUN, SUBJECT, journal
from slipstream.lake.naming import KeyRing, Names

DAY, NEXT = Interval.parse("2013-01-01"), Interval.parse("2013-01-02")
CANARY, KEY = "zz-canary", "a key that nobody can guess"
WHO = Run.local("tester")
MADE = Provenance(WHO)
NAME = "raw/orders"


def rows(*people: str) -> pa.Table:
    return pa.table({"person": pa.array(people, pa.string()), "n": pa.array(range(len(people)), pa.int64())})


def names(*values: str, key: str = KEY, **changes: Any) -> Names:
    about = {"columns": ("person",), "types": ("string",), "tables": [NAME], "person": True, **changes}
    return Names.of_values({(value,) for value in values}, KeyRing.parse(key), **about)


def people(table: Table, version: int | None = None) -> list[str]:
    return sorted(table.read(version=version)["person"].to_pylist())


def begin(lake: Lake, *found: Names, erasure: str = "e1") -> None:
    """Write the first row of an erasure's record, from which on its subject is kept out."""
    row = {"action": BEGUN, "erasure": erasure, "identities": json.dumps([each.as_record() for each in found])}
    journal(lake).append(SUBJECT, lambda before: row, run=WHO)


def with_the_canary(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", erasure_key=lambda: KEY)


@pytest.fixture
def table(lake: Lake) -> Table:
    """Give a table of three versions, each of which has the canary."""
    found = lake.table(NAME)
    found.write(DAY, rows("ann", CANARY, "bob"), provenance=MADE)
    found.write(DAY, rows("ann", CANARY), provenance=MADE)
    found.write(NEXT, rows(CANARY), provenance=MADE)
    return found


def remove(table: Table, *found: Names, erasure: str = "e1") -> None:
    table.removal().remove(found, erasure=erasure, run=WHO)


def test_no_version_no_file_and_no_line_of_the_log_has_the_subject(table: Table, tmp_path: Path) -> None:
    held = table.removal().find([names(CANARY)])
    remove(table, names(CANARY))

    assert held.as_dict() == {"rows": 2, "intervals": 2, "versions": 3, "files": 3}
    assert people(table) == ["ann"]
    assert [people(table, version) for version in range(3)] == [["ann", "bob"], ["ann"], ["ann"]]
    assert all(found.ok for found in table.verify())
    assert with_the_canary(tmp_path) == []


def test_an_interval_that_held_nobody_else_stays_complete(table: Table) -> None:
    remove(table, names(CANARY))

    assert table.complete(NEXT)
    assert table.counts() == {DAY: 1, NEXT: 0}


def test_doing_it_again_changes_no_row(table: Table) -> None:
    remove(table, names(CANARY))
    before = [commit.as_dict() for commit in table.commits()]
    remove(table, names(CANARY))

    assert [commit.as_dict() for commit in table.commits()] == before


def test_a_file_that_stands_in_is_replaced_when_somebody_else_is_erased(table: Table) -> None:
    remove(table, names(CANARY))
    remove(table, names("bob"), erasure="e2")

    assert [people(table, version) for version in range(3)] == [["ann"], ["ann"], ["ann"]]


def test_a_version_counts_who_is_in_it_also_where_another_file_stands_in(table: Table) -> None:
    """Whoever is erased second or third is still known to have been in the versions that models were trained on."""
    second = table.removal().find([names("ann")])
    remove(table, names(CANARY))
    assert [table.removal().find([names("bob")]).rows_at(version, None, NEXT.end) for version in range(3)] == [1, 0, 0]
    remove(table, names("bob"), erasure="e2")
    third = table.removal().find([names("ann")])

    assert [second.rows_at(version, None, NEXT.end) for version in range(3)] == [1, 1, 1]
    assert [third.rows_at(version, None, NEXT.end) for version in range(3)] == [1, 1, 1]
    remove(table, names("ann"), erasure="e3")
    assert [people(table, version) for version in range(3)] == [[], [], []]


def test_a_checkpoint_that_noted_the_subject_is_made_anew(lake: Lake, tmp_path: Path) -> None:
    table = lake.table(NAME)
    for number in range(25):
        day = Interval(DAY.start + timedelta(days=number), DAY.end + timedelta(days=number))
        table.write(day, rows("ann", CANARY), provenance=MADE)
    assert list(tmp_path.rglob("*.checkpoint.parquet"))

    remove(table, names(CANARY))

    assert list(tmp_path.rglob("*.checkpoint.parquet"))
    assert with_the_canary(tmp_path) == []
    assert people(Lake(lake.root).table(NAME), 24) == ["ann"] * 25
    assert len(Lake(lake.root).table(NAME).intervals()) == 25


def test_what_the_log_noted_of_files_that_a_vacuum_took_goes_too(lake: Lake, tmp_path: Path) -> None:
    table = lake.table(NAME)
    table.write(DAY, rows("ann", CANARY), provenance=MADE)
    table.write(DAY, rows("ann"), provenance=MADE)
    table.vacuum([], timedelta(0))
    assert with_the_canary(tmp_path) == ["00000000000000000000.json"]

    remove(table, names(CANARY))

    assert with_the_canary(tmp_path) == []


def test_leftovers_of_a_killed_writer_are_deleted(table: Table, tmp_path: Path) -> None:
    first = next(path for path in sorted(tmp_path.rglob("part-*.parquet")))
    (first.parent / "part-00000-leftover.zstd.parquet").write_bytes(first.read_bytes())
    (first.parent / "part-00001-torn.zstd.parquet").write_bytes(first.read_bytes()[:40])

    remove(table, names(CANARY))

    assert not (first.parent / "part-00000-leftover.zstd.parquet").exists()
    assert with_the_canary(tmp_path) == []


def test_compacted_files_are_found_under_their_escaped_names(table: Table, tmp_path: Path) -> None:
    for number in range(3):
        table.write(Interval.parse("2013-01-05"), rows("ann", CANARY, str(number)), provenance=MADE)
    table.compact()

    remove(table, names(CANARY))

    assert with_the_canary(tmp_path) == []
    assert people(table, 5) == ["2", "ann", "ann"]


def test_the_digest_of_before_is_remembered_as_the_origin(table: Table) -> None:
    before = {commit.interval: commit.digest for commit in reversed(table.commits())}
    remove(table, names(CANARY))
    remove(table, names("ann"), erasure="e2")
    commit = table.commit_of(DAY)

    assert commit is not None
    assert commit.digest != before[DAY]
    assert commit.origin == before[DAY]
    assert commit.provenance["extra"]["erasure"] == "e2"

    again = table.write(DAY, rows(), provenance=Provenance(WHO, definition="another"))

    assert not again.changed
    assert again.origin == before[DAY]


def test_a_write_that_began_before_the_erasure_is_refused(lake: Lake, table: Table, tmp_path: Path) -> None:
    other = lake.table(NAME)

    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows("ann", CANARY).to_batches()
        begin(lake, names(CANARY))
        remove(other, names(CANARY))

    slow = pa.RecordBatchReader.from_batches(rows().schema, batches())
    with pytest.raises(WriteConflictError, match="A subject was erased"):
        table.write(Interval.parse("2013-01-09"), slow, provenance=MADE)

    assert with_the_canary(tmp_path) == []


def test_a_write_that_begins_after_the_record_leaves_the_subject_out(lake: Lake, table: Table) -> None:
    begin(lake, names(CANARY))

    written = table.write(DAY, rows("ann", CANARY, "eve"), provenance=MADE)

    assert written.rows == 2
    assert people(table) == ["ann", "eve", CANARY]  # of another interval, which nobody has erased yet


def test_however_many_were_erased_a_value_is_looked_at_once(lake: Lake, table: Table) -> None:
    begin(lake, names(CANARY))
    begin(lake, names("eve"), erasure="e2")

    (found,) = lake.suppressions.of_table(NAME)

    assert len(found.hashes) == 2
    assert table.write(DAY, rows("ann", CANARY, "eve"), provenance=MADE).rows == 1


def test_the_first_write_of_a_new_table_cannot_slip_through(lake: Lake, tmp_path: Path) -> None:
    table = lake.table("features/new")

    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows("ann", CANARY).to_batches()
        begin(lake, names(CANARY, tables=["features/new"]))

    slow = pa.RecordBatchReader.from_batches(rows().schema, batches())
    table.write(DAY, slow, provenance=MADE)

    assert people(table) == ["ann"]
    assert with_the_canary(tmp_path) == []


def test_without_the_key_nothing_is_written_where_somebody_was_erased(lake: Lake, table: Table) -> None:
    begin(lake, names(CANARY))
    for key in ("", "another key and a long one"):
        blind = Lake(lake.root, erasure_key=lambda key=key: key)
        with pytest.raises(SettingsError, match="SLIPSTREAM_ERASURE_KEY"):
            blind.table(NAME).write(DAY, rows("ann"), provenance=MADE)
        assert blind.table("raw/others").write(DAY, rows("ann"), provenance=MADE).rows == 1


def test_keys_may_be_changed_and_given_up(lake: Lake, table: Table) -> None:
    begin(lake, names(CANARY))
    both = Lake(lake.root, erasure_key=lambda: f"another key and a long one, {KEY}")
    given_up = Lake(lake.root, erasure_key=lambda: f"lost:{names(CANARY).key_id}")

    assert both.table(NAME).write(DAY, rows("ann", CANARY), provenance=MADE).rows == 1
    assert given_up.table(NAME).write(DAY, rows("ann", CANARY), provenance=MADE).rows == 2


def test_a_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(SettingsError, match="fewer than 16 characters"):
        KeyRing.parse("secret")


KILLED = """
import os, signal, sys
from slipstream.lake import Lake, Run
from slipstream.lake import removal, replacements, scrubbing
from slipstream.lake.naming import KeyRing, Names
from slipstream.lake.storage import Storage

root, key, canary, stop = sys.argv[1:]

def kill_in(owner, name, after):
    real, left = getattr(owner, name), [int(stop.partition(":")[2] or 0)]
    def dying(*args, **kwargs):
        found = real(*args, **kwargs) if after else None
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return found if after else real(*args, **kwargs)
    setattr(owner, name, dying)

place = stop.partition(":")[0]
if place == "marked": kill_in(removal.Removal, "stop_writers", True)
if place == "rewritten": kill_in(removal.Removal, "_rewrite", True)
if place == "copied": kill_in(removal, "write_replacements", False)
if place == "noted": kill_in(removal, "write_replacements", True)
if place == "scrubbing": kill_in(scrubbing, "put", True)
names = Names.of_values({(canary,)}, KeyRing.parse(key), columns=("person",), types=("string",),
                        tables=["raw/orders"], person=True)
lake = Lake(root, erasure_key=lambda: key)
lake.table("raw/orders").removal().remove([names], erasure="e1", run=Run.local())
"""


def test_killed_anywhere_it_is_finished_by_the_next_run(lake: Lake, table: Table, tmp_path: Path) -> None:
    for stop in ("marked", "rewritten:0", "copied", "noted", "scrubbing:1"):
        words = [sys.executable, "-c", KILLED, lake.root, KEY, CANARY, stop]
        assert subprocess.run(words, env=os.environ).returncode == -signal.SIGKILL, stop
        assert people(table, 0) in (["ann", "bob"], ["ann", "bob", CANARY])

    remove(table, names(CANARY))

    assert people(table) == ["ann"]
    assert [people(table, version) for version in range(3)] == [["ann", "bob"], ["ann"], ["ann"]]
    assert all(found.ok for found in table.verify())
    assert with_the_canary(tmp_path) == []
