from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from slipstream.errors import NotFoundError, ServiceError, SettingsError
from slipstream.intervals import Interval
from slipstream.lake import Lake, Provenance
from slipstream.settings import Settings

DAY = Interval.parse("2013-01-01")


@pytest.mark.parametrize("name", ["a b", "a#b", "a%b", "100%", "a?b", "ü 日本", "it's", "a+b&c=d"])
def test_any_ordinary_folder_can_hold_a_lake(tmp_path: Path, name: str, rows: pa.Table, provenance: Provenance) -> None:
    lake = Lake(tmp_path / name / "lake")
    table = lake.table("raw/flights")
    table.write(DAY, rows, provenance=provenance)
    table.write(DAY, rows.slice(1), provenance=provenance)
    assert Lake(str(tmp_path / name / "lake")).table("raw/flights").read().num_rows == 2
    assert lake.tables() == ["raw/flights"]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    table.compact()
    assert table.verify()[0].ok


def test_a_folder_that_delta_would_mix_up_with_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Choose another path"):
        Lake(tmp_path / "a%20b")


def test_a_root_of_another_kind_is_refused() -> None:
    with pytest.raises(SettingsError, match="found 'gs://bucket'"):
        Lake("gs://bucket")


def test_a_file_uri_is_its_folder(tmp_path: Path) -> None:
    assert Lake((tmp_path / "a b").as_uri()).root == str(tmp_path / "a b")


def test_the_root_comes_from_the_settings(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    lake = Lake.from_settings(settings)
    assert lake.root == str(tmp_path / "home" / "lake")
    assert lake.tables() == []
    assert not (tmp_path / "home").exists()


def test_tables_are_found_by_name_and_nothing_else_is(lake: Lake, rows: pa.Table, provenance: Provenance) -> None:
    for name in ("raw/flights", "features/by_origin", "plain"):
        lake.table(name).write(DAY, rows, provenance=provenance)
    Path(lake.path("_staging", "raw")).mkdir(parents=True)
    Path(lake.path("raw", "unfinished", "_delta_log")).mkdir(parents=True)
    assert lake.tables() == ["features/by_origin", "plain", "raw/flights"]
    assert not lake.table("raw/unfinished").exists()


@pytest.mark.parametrize("name", ["", "/raw", "raw/", "raw//x", "../x", "raw/.x", "_x", "a b", "a/b/c/d", "raw/x%20"])
def test_a_name_that_no_table_can_have_is_refused(lake: Lake, name: str) -> None:
    with pytest.raises(NotFoundError, match="Wanted a table's name"):
        lake.table(name)


def test_other_files_lie_beside_the_tables(lake: Lake) -> None:
    lake.filesystem.create_dir(lake.path("_reports", "x"))
    with lake.filesystem.open_output_stream(lake.path("_reports/x", "a.html")) as stream:
        stream.write(b"<p>")
    assert Path(lake.uri("_reports", "x", "a.html")).read_bytes() == b"<p>"


def test_a_broken_log_is_a_clear_error(lake: Lake, rows: pa.Table, provenance: Provenance) -> None:
    table = lake.table("raw/flights")
    table.write(DAY, rows, provenance=provenance)
    Path(lake.path("raw/flights/_delta_log/00000000000000000000.json")).write_text("{garbage")
    with pytest.raises(ServiceError, match="could not be opened"):
        table.version()


def test_a_table_made_anew_has_a_new_history(lake: Lake, rows: pa.Table, provenance: Provenance) -> None:
    table = lake.table("raw/flights")
    table.write(DAY, rows, provenance=provenance)
    assert table.commits()[0].rows == 3
    shutil.rmtree(lake.path("raw/flights"))
    assert table.missing([DAY]) == [DAY]
    other = Interval(datetime(2013, 2, 1, tzinfo=UTC), datetime(2013, 2, 2, tzinfo=UTC))
    lake.table("raw/flights").write(other, rows.slice(1), provenance=provenance)
    assert table.intervals() == [other]
    assert table.commits()[0].rows == 2


def test_importing_the_lake_brings_nothing_heavy() -> None:
    heavy = ("pandas", "duckdb", "boto3", "airflow", "sklearn")
    code = f"import sys, slipstream.lake; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
