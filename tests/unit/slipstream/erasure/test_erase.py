"""The command, and what it takes for the subject's, in a shop that never had a model."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from slipstream.definitions import load_definitions
from slipstream.definitions.personal import personal_features
from slipstream.erasure import erase as run_erasure
from slipstream.erasure import prepare, running
from slipstream.errors import IncompleteError, WriteConflictError
from slipstream.features import materialise
from slipstream.ingestion import load_batch, publish_batch, validate_batch
from slipstream.lake import Lake, Provenance

from .conftest import CANARY, INGESTED, MINE, RUN, SUBJECT, World, interval, kill_after, open_world, orders_of

Erase = Callable[..., Any]


def erase_now(world: World, column: str = "customer", value: str = CANARY) -> Any:
    return run_erasure(prepare(column, value, **world.source), reason="", run=RUN, **world.source)


def test_a_dry_run_shows_what_would_go_and_changes_nothing(world: World, erase: Erase) -> None:
    before = {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()}

    shown = erase(world, "--subject", SUBJECT, "--dry-run")
    told = json.loads(erase(world, "--subject", SUBJECT, "--dry-run", "--json").stdout)

    assert shown.exit_code == 0
    assert "raw/orders" in shown.stdout
    assert told["state"] == "planned"
    assert told["tables"]["raw/orders"] == {"rows": 4, "intervals": 4, "versions": 7, "files": 5}
    assert told["tables"]["quarantine/orders"]["rows"] == 1
    assert told["landed"] == [f"orders/{interval(INGESTED[0]).start:%Y-%m-%d}.csv"]
    assert told["aggregates"] == ["features/totals"]
    assert CANARY not in shown.stdout
    assert {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()} == before


def test_without_yes_it_asks_and_no_is_the_answer_of_who_says_nothing(world: World, erase: Erase) -> None:
    result = erase(world, "--subject", SUBJECT, input="\n")

    assert result.exit_code == 1
    assert "Nothing was erased" in result.stdout
    assert world.bytes_with(Path(world.settings.lake))
    assert not world.settings.erasure_key_file.exists()


def test_a_yes_erases_and_the_key_is_for_the_owner_alone(world: World, erase: Erase) -> None:
    result = erase(world, "--subject", "customer=-", input=f"{CANARY}\ny\n")

    assert result.exit_code == 0, result.output
    assert "The record has it as erasure" in result.stdout
    assert world.bytes_with(Path(world.settings.lake)) == []
    assert world.settings.erasure_key_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--subject", "custmer=1"), "Did you mean 'customer'"),
        (("--subject", "size=1"), "Declared are customer (orders), order_id (outcomes)"),
        (("--subject", "customer"), "Wanted KEY=VALUE"),
        (("--subject", "customer="), "Wanted KEY=VALUE"),
        (("--subject", "order_id=x1"), "is no int64"),
        (("--subject", SUBJECT, "--reason", f"{CANARY} wrote to us"), "It names the person"),
        (("--subject", SUBJECT, "--json"), "give --yes, or --dry-run"),
        ((), "Missing option"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(shop_folder: Path, erase: Erase, words: Any, said: str) -> None:
    result = erase(open_world(shop_folder, ""), *words)

    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())


def test_a_value_is_read_by_the_type_of_its_column(world: World) -> None:
    plan = prepare("order_id", " 307 ", **world.source).erasure.plan

    assert {name: counts["rows"] for name, counts in plan["tables"].items()} == {"raw/outcomes": 1}


def test_a_subject_that_is_nowhere_is_kept_out_all_the_same(world: World) -> None:
    found = erase_now(world, value="customer 999")
    world.lake.table("raw/orders").write(
        interval(40), some_orders(world, 40, customer="customer 999"), provenance=Provenance(RUN)
    )

    assert found.state == "done"
    assert found.plan["tables"] == {}
    assert world.rows("raw/orders", start=interval(40).start) == []


def some_orders(world: World, day: int, **changes: Any) -> pa.Table:
    when = {"event_time": interval(day).start, "known_at": interval(day).end, "due": interval(day).end}
    return pa.Table.from_pylist(
        [{**orders_of(day)[0], **when, **changes}], schema=world.definitions.source("orders").table_schema
    )


def test_a_key_that_somebody_else_bears_too_names_nobody(world: World) -> None:
    number = INGESTED[0] * 100 + MINE
    rows = some_orders(world, 50, order_id=number, customer="customer 1")
    world.lake.table("raw/orders").write(interval(50), rows, provenance=Provenance(RUN))

    found = erase_now(world)

    assert found.shared == {"orders": 1}
    assert number in {row["order_id"] for row in world.rows("features/order_facts")}
    assert number - 100 not in {row["order_id"] for row in world.rows("features/order_facts")}


def test_ingestion_leaves_the_erased_out_and_counts_them(world: World) -> None:
    erase_now(world)
    number = INGESTED[0]
    world.land(number)

    published = world.ingest(number)
    commit = world.lake.table("raw/orders").commit_of(interval(number))
    loaded = load_batch(
        world.definitions.source("orders"), interval(number), lake=world.lake, settings=world.settings, run=RUN
    )

    assert (published.rows_in, published.accepted, published.quarantined) == (25, 24, 1)
    assert loaded.suppressed == 2
    assert commit is not None
    assert commit.provenance["extra"]["erased"] == 1
    assert CANARY not in str(world.rows("raw/orders")) + str(world.rows("quarantine/orders"))


def test_a_batch_that_was_loaded_before_the_erasure_does_not_bring_the_subject_back(world: World) -> None:
    source, when = world.definitions.source("orders"), interval(INGESTED[0])
    about = {"lake": world.lake, "settings": world.settings, "run": RUN}
    loaded = load_batch(source, when, **about)
    validated = validate_batch(source, loaded, **about)

    erase_now(world)

    with pytest.raises(IncompleteError, match="Run load_batch again"):
        publish_batch(source, validated, **about)
    assert world.bytes_with(Path(world.settings.lake)) == []


def test_a_batch_that_is_published_while_the_subject_is_erased_does_not_bring_it_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is of an interval that is new to the lake, so that no commit of the erasure stands in its way."""
    source, about = world.definitions.source("orders"), {"lake": world.lake, "settings": world.settings, "run": RUN}
    world.land(30)
    validated = validate_batch(source, load_batch(source, interval(30), **about), **about)
    outcome: list[Exception] = []

    def publish(step: str) -> None:
        if step == "raw/orders":
            try:
                publish_batch(source, validated, **about)
            except (IncompleteError, WriteConflictError) as error:
                outcome.append(error)

    monkeypatch.setattr(running, "reached", publish)
    erase_now(world)

    assert len(outcome) == 1
    assert world.bytes_with(Path(world.settings.lake)) == []
    assert world.ingest(30).accepted == 24


def test_two_erasures_of_two_people_at_once_both_come_to_their_end(world: World) -> None:
    done: dict[str, Any] = {}

    def one(value: str) -> None:
        mine = open_world(world.root, "")
        for _ in range(10):
            try:
                done[value] = erase_now(mine, value=value)
                return
            except WriteConflictError:
                continue

    threads = [threading.Thread(target=one, args=(value,)) for value in (CANARY, "customer 8")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {found.state for found in done.values()} == {"done"}
    assert len({found.id for found in done.values()}) == 2
    assert world.bytes_with(Path(world.settings.lake)) == []
    assert all(check.ok for name in world.lake.tables() for check in world.lake.table(name).verify())


def test_making_a_view_again_gives_what_the_erasure_left(world: World) -> None:
    erase_now(world)
    before = world.lake.table("features/order_facts").commit_of(interval(2))

    made = materialise(world.definitions.view("order_facts"), interval(2), run=RUN, **world.source)

    assert before is not None
    assert made.digest == before.digest


def test_a_table_whose_definition_is_gone_is_looked_through_too(world: World) -> None:
    shutil.rmtree(world.root / "include" / "features" / "customer_facts")
    shutil.rmtree(world.root / "include" / "models")
    world = open_world(world.root, "")

    erase_now(world)

    assert world.bytes_with(Path(world.settings.lake)) == []


def test_the_lake_of_another_machine_needs_the_key(world: World) -> None:
    erase_now(world)
    blind = Lake(world.lake.root)

    with pytest.raises(Exception, match="SLIPSTREAM_ERASURE_KEY"):
        blind.table("raw/orders").write(interval(60), some_orders(world, 60), provenance=Provenance(RUN))


def test_features_of_a_personal_column_are_known_by_its_name(shop_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(shop_folder / "include", tmp_path / "include")
    view = tmp_path / "include" / "features" / "order_facts" / "view.yaml"
    view.write_text(
        view.read_text().replace("features:\n", "features:\n  customer: {type: string, description: Who.}\n")
    )
    definitions = load_definitions(tmp_path / "include")

    found = personal_features(["order_facts__customer", "order_facts__size", "gone__customer"], definitions)

    assert found == {"order_facts__customer"}


STEPS = (
    "begun",
    "raw/orders",
    "raw/outcomes",
    "quarantine/orders",
    "features/customer_facts",
    "features/order_facts",
    "staging",
    "reports",
    "looked again",
)


def test_killed_after_any_step_the_next_run_goes_on_and_one_record_comes_of_it(world: World) -> None:
    assert kill_after(world, STEPS) == [signal.SIGKILL] * len(STEPS)

    found = erase_now(world)
    rows = sorted(world.rows("ledger/erasures"), key=lambda row: row["seq"])

    assert world.bytes_with(Path(world.settings.lake)) == []
    assert [row["action"] for row in rows] == ["begun", "done"]
    assert {row["erasure"] for row in rows} == {found.id}
    assert json.loads(rows[1]["tables"]) == json.loads(rows[0]["tables"])
    assert found.plan["tables"]["raw/orders"]["rows"] == 4
    assert all(check.ok for name in world.lake.tables() for check in world.lake.table(name).verify())
