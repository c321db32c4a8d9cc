"""One customer in every kind of place, erased by processes that are killed on the way; then every byte is looked at."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from slipstream.intervals import Interval
from slipstream.lake.erasures import erased_from
from slipstream.monitoring import monitor
from slipstream.promotion import Registry, decide, settle
from slipstream.promotion.keeping import versions_to_keep
from slipstream.scoring import explain_prediction, score
from slipstream.training import build_training_set, replay_version, train

from .conftest import (
    CANARY,
    DAYS,
    FIRST,
    INGESTED,
    MINE,
    RUN,
    SUBJECT,
    World,
    interval,
    kill_after,
    make,
    open_world,
    runner,
)

MODEL = "churn_of_orders"
NOW = FIRST + timedelta(days=12)
STOPS = ("begun", "samples", f"predictions/{MODEL}")


def day(number: int) -> Interval:
    return Interval(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


@dataclass(frozen=True)
class Erased:
    """The world after the erasure, and what was there before."""

    world: World
    artifacts: Path
    before: list[str]
    version: str
    counts: dict[str, int]
    codes: list[int]
    told: dict[str, Any]
    verified: bool
    stale_before: list[Any]
    pages_before: list[Path]
    torn: str

    @property
    def places(self) -> tuple[Path, ...]:
        return Path(self.world.settings.lake), self.artifacts


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Erased:
    """Erase the customer from a shop with a champion, predictions, reports and rows in staging."""
    root = make(tmp_path_factory.mktemp("canary") / "shop", DAYS)
    store = tmp_path_factory.mktemp("mlflow_of_canary")
    shutil.copyfile(empty_store, store / "mlflow.db")
    world = open_world(root, f"sqlite:///{store}/mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", (store / "artifacts").as_uri())
        version = use(world)
    torn = tear(world)
    before = world.bytes_with(Path(world.settings.lake), store)
    pages = sorted(Path(world.settings.reports).rglob("*.html"))
    counts = {name: len(world.rows(name)) for name in world.lake.tables() if not name.startswith("ledger")}
    with pytest.MonkeyPatch.context() as patch:
        run = runner(patch)
        stale = json.loads(run(world, "--json", command="stale").stdout)
        codes = kill_after(world, STOPS)
        last = run(world, "--subject", SUBJECT, "--yes", "--reason", "ticket 7", "--json")
        assert last.exit_code == 0, last.output
        verified = run(world, "verify", command="lake").exit_code == 0
    return Erased(world, store, before, version, counts, codes, json.loads(last.stdout), verified, stale, pages, torn)


def use(world: World) -> str:
    """Train, promote, predict and watch; leave a training set and a batch in staging."""
    model, source = world.definitions.model(MODEL), {**world.source, "run": RUN}
    version = train(model, NOW, **source).version
    verdict = decide(model, as_of=NOW, **world.source)
    assert verdict.accepted, verdict.reason
    settle(model, verdict, lake=world.lake, settings=world.settings, run=RUN)
    for number in (5, 12, 13):
        score(model, day(number), **source)
    assert monitor(model, day(13), **source)
    build_training_set(model, NOW + timedelta(days=1), **source)
    return version


def tear(world: World) -> str:
    """Leave halves of files, as killed processes do: of a reference sample, whose run is returned, and of others."""
    client = Registry.from_settings(world.settings).client
    (version,) = client.search_model_versions(f"name='{MODEL}'")
    made = client.get_run(version.run_id)
    example = world.root / "serving_input_example.json"
    example.write_text(f'{{"dataframe_split": {{"data": [["{CANARY}', encoding="utf-8")
    client.log_model_artifact(version.source.removeprefix("models:/"), str(example))
    example.unlink()
    run_id: str = client.create_run(made.info.experiment_id, tags={"slipstream.role": "parent"}).info.run_id
    half = Path(world.settings.staging) / "training" / MODEL / "killed.parquet.1f"
    half.write_bytes(b"PAR1" + CANARY.encode())
    sample = world.root / "reference.parquet"
    sample.write_bytes(b"PAR1 half a file")
    client.log_artifact(run_id, str(sample), "reference")
    sample.unlink()
    return run_id


def test_the_customer_was_everywhere_before(erased: Erased) -> None:
    found = "\n".join(erased.before)

    for place in ("raw/orders", "quarantine/orders", "features/customer_facts", f"predictions/{MODEL}"):
        assert f"lake/{place}/interval_start" in found
        assert f"lake/{place}/_delta_log" in found or place == "quarantine/orders"
    assert f"_staging/training/{MODEL}" in found
    assert "killed.parquet" in found
    assert f"_staging/promotion/{MODEL}" in found
    assert "reference/reference.parquet" in found


def test_every_process_was_killed_and_the_last_one_went_on_where_they_stopped(erased: Erased) -> None:
    assert erased.codes == [signal.SIGKILL] * len(STOPS)
    assert erased.told["state"] == "done"
    assert erased.told["resumes"] == erased.told["erasure"]


def test_no_byte_of_lake_staging_reports_or_artifacts_names_the_customer(erased: Erased) -> None:
    assert erased.world.bytes_with(*erased.places) == []


def test_the_report_pages_of_windows_with_the_customer_are_gone(erased: Erased) -> None:
    assert erased.pages_before
    assert not any(path.exists() for path in erased.pages_before)
    assert erased.told["reports"] == len(erased.pages_before)


def test_the_landed_file_stays_for_it_is_the_sources_own_and_is_named(erased: Erased) -> None:
    landed = erased.told["landed"] or [f"orders/{interval(number).start:%Y-%m-%d}.csv" for number in INGESTED]

    assert [CANARY in Path(erased.world.settings.landing, name).read_text() for name in landed] == [True, True]


def test_everybody_elses_rows_are_there(erased: Erased) -> None:
    now = {name: len(erased.world.rows(name)) for name in erased.counts}
    lost = {name: count - now[name] for name, count in erased.counts.items() if count != now[name]}

    assert lost == {
        "raw/orders": 15,
        "raw/outcomes": 16,
        "quarantine/orders": 2,
        "features/customer_facts": 15,
        "features/order_facts": 15,
        f"predictions/{MODEL}": 3,
    }
    assert now["features/totals"] == 2


def test_a_source_that_does_not_say_who_its_rows_are_about_is_left_alone_and_named(erased: Erased) -> None:
    assert erased.told["unclear"] == ["raw/planes"]
    assert len(erased.world.rows("raw/planes")) == 1


def test_the_lake_verifies_and_nothing_becomes_stale(erased: Erased, erase: Any) -> None:
    assert erased.verified
    assert json.loads(erase(erased.world, "--json", command="stale").stdout) == erased.stale_before


def test_an_old_version_still_has_everybody_else(erased: Erased) -> None:
    table = erased.world.lake.table("raw/orders")
    kept = versions_to_keep(
        "raw/orders", lake=erased.world.lake, registry=Registry.from_settings(erased.world.settings)
    )

    assert kept
    for version in kept:
        rows = table.read(interval(3).start, interval(3).end, version=version).to_pylist()
        assert sorted(row["order_id"] for row in rows) == [300 + n for n in range(25) if n != MINE]


def test_a_vacuum_keeps_what_stands_in_for_files_of_kept_versions(erased: Erased) -> None:
    world = erased.world
    copied = world.root.parent / "vacuumed"
    shutil.copytree(world.root, copied)
    table = open_world(copied, "").lake.table("raw/orders")
    version = min(versions_to_keep("raw/orders", lake=world.lake, registry=Registry.from_settings(world.settings)))
    rows = table.read(version=version).num_rows

    table.vacuum([version], timedelta(0))

    assert table.read(version=version).num_rows == rows


def test_ingesting_the_landed_batch_again_does_not_bring_the_customer_back(erased: Erased) -> None:
    world = erased.world
    version = world.lake.table("raw/orders").version()

    published = world.ingest(INGESTED[0])

    assert not published.changed
    assert (published.rows_in, published.accepted, published.quarantined) == (25, 24, 1)
    assert world.lake.table("raw/orders").version() == version
    assert world.bytes_with(*erased.places) == []


def test_the_record_has_two_rows_and_names_nobody(erased: Erased) -> None:
    rows = sorted(erased.world.rows("ledger/erasures"), key=lambda row: row["seq"])

    assert [row["action"] for row in rows] == ["begun", "done"]
    assert {row["reason"] for row in rows} == {"ticket 7"}
    assert all(row["by"] and row["at"] and row["erasure"] == erased.told["erasure"] for row in rows)
    assert CANARY not in str(rows)
    assert json.loads(rows[1]["tables"])["raw/orders"]["rows"] == 15
    assert [each["version"] for each in json.loads(rows[1]["versions"])] == [erased.version]


def test_the_version_that_was_trained_on_the_customer_is_listed_and_stays(erased: Erased) -> None:
    registry = Registry.from_settings(erased.world.settings)

    (found,) = erased.told["versions"]

    assert found["version"] == erased.version
    assert found["rows"]["features/order_facts"] > 0
    assert registry.version(MODEL, "champion") == erased.version


def test_a_replay_says_that_rows_were_erased_when_and_how_many(erased: Erased) -> None:
    world = erased.world

    found = replay_version(MODEL, erased.version, **world.source)

    outcomes = {each.name: each for each in found.findings}
    assert outcomes["training set"].outcome == "erased"
    assert outcomes["training set"].sentence.startswith(
        f"Erased at {erased.told['at']} by erasure {erased.told['erasure']}: 51 rows (13 of features/customer_facts, "
    )
    assert "it had 200 rows, has 192" in outcomes["training set"].sentence
    assert {each.outcome for each in found.findings} <= {"same", "erased"}
    assert not found.ok


def test_lineage_and_card_note_it(erased: Erased, erase: Any) -> None:
    world = erased.world
    registry = Registry.from_settings(world.settings)

    printed = erase(world, f"{MODEL}@{erased.version}", command="lineage").output
    (told,) = erased_from(MODEL, erased.version, lake=world.lake)
    run_id = registry.details(MODEL, erased.version).run_id

    assert told.erasure in printed
    for page in ("card.html", "card.md"):
        text = registry.document(run_id, page)
        assert text is not None
        assert text.count("<!-- erasures -->") == 1
        assert told.erasure in text


def test_the_reference_sample_and_the_input_example_have_no_row_of_the_customer(erased: Erased) -> None:
    registry = Registry.from_settings(erased.world.settings)
    reference = registry.reference(MODEL, erased.version)

    assert reference.num_rows > 0
    assert MINE not in {order % 100 for order in reference["order_id"].to_pylist()}
    assert registry.load(MODEL, erased.version).score(reference).shape == (reference.num_rows,)


def test_half_an_input_example_is_emptied(erased: Erased) -> None:
    client = Registry.from_settings(erased.world.settings).client
    logged = client.get_logged_model(client.get_model_version(MODEL, erased.version).source.removeprefix("models:/"))

    example = Path(urlsplit(logged.artifact_location).path, "serving_input_example.json")

    assert json.loads(example.read_text(encoding="utf-8")) == {}


def test_other_peoples_predictions_can_still_be_explained_from_the_versions_of_then(erased: Erased) -> None:
    world = erased.world
    key = {"order_id": "1200", "customer": "customer 0"}

    found = explain_prediction(world.definitions.model(MODEL), key, every=True, **world.source)

    assert len(found.reasons) > 1
    assert not found.stored


def test_half_a_reference_sample_is_named_and_left_alone(erased: Erased, erase: Any) -> None:
    printed = erase(erased.world, "--subject", SUBJECT, "--dry-run").output
    (done,) = (row for row in erased.world.rows("ledger/erasures") if row["action"] == "done")

    assert erased.told["unreadable"] == [erased.torn]
    assert json.loads(done["more"])["unreadable"] == [erased.torn]
    assert f"The reference sample of the run {erased.torn} is no whole file" in printed


def test_to_erase_the_customer_again_does_nothing(erased: Erased, erase: Any) -> None:
    before = erased.world.lake.table("ledger/erasures").version()

    result = erase(erased.world, "--subject", SUBJECT, "--yes", "--json")

    assert json.loads(result.stdout)["state"] == "nothing"
    assert erased.world.lake.table("ledger/erasures").version() == before


def test_a_card_that_is_no_text_keeps_nobody_from_being_erased(
    erased: Erased, erase: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = Registry.from_settings(erased.world.settings).client
    card = erased.world.root / "card.html"
    card.write_bytes(b"\x80")
    client.log_artifact(client.get_model_version(MODEL, erased.version).run_id, str(card))

    result = erase(erased.world, "--subject", "customer=customer 3", "--yes", "--json")

    told = json.loads(result.stdout)
    assert told["state"] == "done"
    assert [each["version"] for each in told["versions"]] == [erased.version]
    assert f"The card of {MODEL} version {erased.version} does not say it" in caplog.text
