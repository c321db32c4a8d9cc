"""``slipstream quarantine`` from end to end."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from slipstream.cli.quarantine import app
from slipstream.definitions import load_definitions
from slipstream.ingestion import ingest
from slipstream.intervals import Interval
from slipstream.lake import Lake, Run
from slipstream.settings import Settings, get_settings

SOURCE = """
name: trips
description: Trips.
schedule: "0 0 * * *"
start: 2013-01-01
connector: {type: files, path: "{start:%Y-%m-%d}.csv", format: csv}
columns: {trip: int64, fare: float64}
key: [trip]
event_time: interval_start
"""


@pytest.fixture
def cli(tmp_path, monkeypatch):
    folder = tmp_path / "include" / "sources" / "trips"
    folder.mkdir(parents=True)
    (folder / "source.yaml").write_text(SOURCE)
    for name, value in (("PROJECT", tmp_path), ("HOME", tmp_path / "home"), ("DEFINITIONS", tmp_path / "include")):
        monkeypatch.setenv(f"SLIPSTREAM_{name}", str(value))
    get_settings.cache_clear()
    settings = Settings()
    (tmp_path / "home" / "landing").mkdir(parents=True)
    (tmp_path / "home" / "landing" / "2013-01-31.csv").write_text("trip,fare\n1,7\n2,x\n3\n")
    source = load_definitions(settings.definitions).source("trips")
    lake = Lake.from_settings(settings)
    ingest(source, Interval.parse("2013-01-31"), lake=lake, settings=settings, run=Run.local())
    yield lambda *words: CliRunner().invoke(app, [*words], catch_exceptions=False)
    get_settings.cache_clear()


def test_what_is_set_aside_is_listed_shown_and_released(cli, tmp_path):
    assert json.loads(cli("list", "--json").stdout)[0]["reasons"] == {"fields": 1, "type": 1}
    assert "trips" in cli("list", "trips").stdout
    rows = json.loads(cli("show", "trips", "--interval", "2013-01-31", "--json").stdout)
    assert [row["line"] for row in rows] == [3, 4]
    text = cli("show", "trips", "--interval", "2013-01-31", "--id", rows[0]["id"]).stdout
    assert '{"trip": "2", "fare": "x"}' in text
    words = ("release", "trips", "--interval", "2013-01-31", "--json")
    done = json.loads(cli(*words, "--id", rows[0]["id"], "--set", "fare=9").stdout)
    assert (done["accepted"], done["changed"]) == (2, True)
    template = cli("show", "trips", "--interval", "2013-01-31", "--corrections").stdout.splitlines()
    assert json.loads(template[0]) == {"_id": rows[0]["id"], "trip": "2", "fare": "9"}
    file = tmp_path / "corrected.jsonl"
    file.write_text(template[0] + "\n" + json.dumps({**json.loads(template[1]), "trip": 3, "fare": None}) + "\n")
    done = json.loads(cli(*words, "--with", str(file)).stdout)
    assert (done["accepted"], done["quarantined"]) == (3, 0)
    assert "already; nothing changed" in cli(*words[:-1], "--with", str(file)).stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "Say which rows and what changes"),
        (("--id", "a", "--set", "fare"), "wants COLUMN=VALUE"),
        (("--with", "none.jsonl"), "cannot be read"),
        (("--id", "a", "--set", "fare=1"), "has no such row"),
    ],
)
def test_a_release_that_says_too_little_is_told_what_is_missing(cli, words, reason):
    from slipstream.errors import ReleaseError

    with pytest.raises(ReleaseError, match=reason):
        cli("release", "trips", "--interval", "2013-01-31", *words)


@pytest.mark.parametrize("text", ["{}", "[1]", "rubbish", '{"_id": "a"}\n{"_id": "a"}'])
def test_a_file_of_corrections_names_its_bad_line(cli, tmp_path, text):
    from slipstream.errors import ReleaseError

    file = tmp_path / "corrected.jsonl"
    file.write_text(text)
    with pytest.raises(ReleaseError, match=r"corrected.jsonl:\d: "):
        cli("release", "trips", "--interval", "2013-01-31", "--with", str(file))
