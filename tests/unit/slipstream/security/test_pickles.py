"""A pickle runs any code when it is loaded: none is, wherever somebody may have put one."""

from __future__ import annotations

import ast
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slipstream.errors import BatchRejectedError, FatalError, SlipstreamError
from slipstream.intervals import Interval, utc
from slipstream.promotion import Registry
from slipstream.promotion.loading import load_folder

from .conftest import Planted

PROJECT = Path(__file__).parents[4]
OURS = [path for root in ("include", "plugins", "dags", "deploy") for path in sorted((PROJECT / root).rglob("*.py"))]
UNSAFE = {"allow_pickle", "pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "_pickle"}
BOMB = "a0: [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i > 1 else 'x'] * 9)}]\n" for i in range(1, 9))
UNSAFE_CALLS = {"read_pickle", "load_model", "unsafe_load", "full_load"}


@pytest.fixture
def folder(shop: Any, three_versions: Any, tmp_path: Path) -> Path:
    """Give a logged model's folder, to be tampered with."""
    import mlflow

    model, versions = three_versions
    assert Registry.from_settings(shop.settings).client
    uri = f"models:/{model.name}/{versions[0]}"
    source = mlflow.artifacts.download_artifacts(artifact_uri=uri, tracking_uri=shop.settings.mlflow_tracking_uri)
    return Path(shutil.copytree(source, tmp_path / "model"))


def test_a_pickle_under_the_name_of_a_skops_file_is_refused(folder: Path, planted: Planted) -> None:
    (folder / "model.skops").write_bytes(planted.content)
    with pytest.raises(FatalError, match="no readable skops file: BadZipFile"):
        load_folder(folder, model="m", version="1")


def test_a_pickle_beside_a_sound_model_is_never_looked_at(folder: Path, planted: Planted) -> None:
    for name in ("model.pkl", "python_model.pkl", "model.joblib"):
        (folder / name).write_bytes(planted.content)
    assert load_folder(folder, model="m", version="1").feature_columns


def rewritten(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    """Write a skops file anew, each of its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))


def test_an_array_of_pickled_objects_in_a_skops_file_is_refused(folder: Path, planted: Planted) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([planted.bomb], dtype=object), allow_pickle=True)
    changed = []

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith(".npy"):
            return content
        changed.append(name)
        return stream.getvalue()

    rewritten(folder / "model.skops", change)
    assert changed
    with pytest.raises(FatalError, match="no readable skops file: ValueError"):
        load_folder(folder, model="m", version="1")


@pytest.mark.parametrize("loader", ["FunctionNode", "TypeNode", "ObjectNode", "MethodNode", "OperatorFuncNode"])
def test_a_skops_file_that_names_a_function_of_the_system_is_refused(
    folder: Path, planted: Planted, loader: str
) -> None:
    mark = str(planted.bomb.mark)

    def change(name: str, content: bytes) -> bytes:
        if name != "schema.json":
            return content
        schema = json.loads(content)
        whom = {"__class__": "mkdir", "__module__": "os", "__loader__": loader, "__id__": 1}
        argument = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "__id__": 2}
        argument |= {"content": json.dumps(mark), "is_json": True}
        content_of = {"module_path": "os", "function": "mkdir", "func": "mkdir", "obj": argument}
        return json.dumps({**schema, **whom, "content": content_of, "attrs": argument}).encode()

    rewritten(folder / "model.skops", change)
    with pytest.raises(FatalError, match=r"not on the list of trusted ones|no readable skops file"):
        load_folder(folder, model="m", version="1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flavors: !!python/object/apply:os.mkdir [MARK]", "python/object"),
        ("- flavors", "wants an MLmodel file"),
        ("", "wants an MLmodel file"),
        ("flavors: [sklearn]", "wants an MLmodel file"),
        ("flavors: {sklearn: {serialization_format: cloudpickle, pickled_model: model.pkl}}", "is not a skops model"),
        ("flavors: {sklearn: {serialization_format: skops, pickled_model: ../model.pkl}}", "is not a skops model"),
        ("flavors: {python_function: {loader_module: os, python_model: python_model.pkl}}", "is not a skops model"),
        (BOMB, "aliases"),
    ],
)
def test_what_describes_a_model_is_plain_bounded_yaml_and_names_skops(
    folder: Path, planted: Planted, text: str, words: str
) -> None:
    (folder / "model.pkl").write_bytes(planted.content)
    (folder / "MLmodel").write_text(text.replace("MARK", str(planted.bomb.mark)), encoding="utf-8")
    with pytest.raises(FatalError, match=words):
        load_folder(folder, model="m", version="1")


def test_a_pickle_in_the_registry_is_refused_and_says_so(stocked_shop: Any, planted: Planted) -> None:
    from slipstream.promotion.registry import REFERENCE

    model = stocked_shop.model()
    version = stocked_shop.train(model).version
    registry = Registry.from_settings(stocked_shop.settings)
    found = registry.client.get_model_version(model.name, version)
    logged = registry.client.get_logged_model(found.source.removeprefix("models:/"))
    run = registry.client.get_run(found.run_id)
    for place, name in ((logged.artifact_location, "model.skops"), (run.info.artifact_uri, REFERENCE)):
        folder = Path(unquote(urlsplit(place).path))
        assert (folder / name).is_file()
        (folder / name).write_bytes(planted.content)
    (folder / "card.html").write_bytes(planted.content)
    with pytest.raises(FatalError, match=f"{model.name} version {version} has no readable skops file"):
        registry.load(model.name, version)
    with pytest.raises(FatalError, match="is no Parquet"):
        registry.reference(model.name, version)
    with pytest.raises(FatalError, match="is no text"):
        registry.document(found.run_id, "card.html")


def test_a_pickle_as_the_kept_training_of_a_backtest_is_refused(shop: Any, planted: Planted, tmp_path: Path) -> None:
    from slipstream.backtest.versions import Version

    (tmp_path / "model.skops").write_bytes(planted.content)
    now = utc("2013-01-20")
    kept = Version("v", "k", now, now, now, 1, "d", {}, 0.1, 0.1, 0, {}, 0.1, folder=str(tmp_path))
    with pytest.raises(FatalError, match=r"The kept training of .* has no readable skops file"):
        kept.load(shop.model())


def test_a_pickle_in_the_place_of_a_lake_file_is_refused(shop: Any, planted: Planted) -> None:
    from slipstream.lake import Provenance

    day = Interval(utc("2013-01-01"), utc("2013-01-02"))
    table = shop.lake.table("raw/orders")
    table.write(day, pa.table({"order_id": [1, 2]}), provenance=Provenance(run=shop.run))
    (file,) = Path(shop.lake.root).rglob("part-*.parquet")
    file.write_bytes(planted.content)
    with pytest.raises((SlipstreamError, OSError, pa.ArrowException), match=r"(?i)parquet|magic"):
        table.read()


def pickled_type(path: Path, planted: Planted) -> None:
    """Write a Parquet file whose column has a type that old versions of Arrow unpickled when they read it."""
    metadata = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": planted.content}
    field = pa.field("trip", pa.int64(), metadata=metadata)
    pq.write_table(pa.table([[1]], schema=pa.schema([field])), path)


def test_a_parquet_file_whose_type_is_pickled_is_read_without_it(tmp_path: Path, planted: Planted) -> None:
    pickled_type(tmp_path / "rows.parquet", planted)
    assert pq.read_table(tmp_path / "rows.parquet").column("trip").to_pylist() == [1]


@pytest.mark.parametrize("kind", ["pickle", "type"])
def test_a_pickle_that_was_delivered_is_refused_or_read_as_data(tmp_path: Path, planted: Planted, kind: str) -> None:
    from slipstream.definitions import Source
    from slipstream.ingestion.connectors import open_batch
    from slipstream.settings import Settings

    source = Source.model_validate(
        {
            "name": "trips", "description": "Trips.", "schedule": "0 0 * * *", "start": "2013-01-01",
            "columns": {"trip": "int64"}, "key": ["trip"], "event_time": "interval_start",
            "connector": {"type": "files", "path": "trips.parquet", "format": "parquet"},
        }
    )  # fmt: skip
    landing = tmp_path / "landing"
    landing.mkdir()
    if kind == "pickle":
        (landing / "trips.parquet").write_bytes(planted.content)
    else:
        pickled_type(landing / "trips.parquet", planted)
    settings = Settings(project=tmp_path, home=tmp_path / "home", landing=str(landing))
    day = Interval(utc("2013-01-01"), utc("2013-01-01") + timedelta(days=1))
    batch = open_batch(source, day, settings=settings)
    if kind == "pickle":
        with pytest.raises(BatchRejectedError, match="cannot be read as Parquet"):
            list(batch.chunks())
    else:
        assert [chunk.columns.column("trip").to_pylist() for chunk in batch.chunks()] == [[1]]


def test_a_pickle_between_two_tasks_is_refused(shop: Any, planted: Planted) -> None:
    from slipstream.lake.scratch import Scratch

    path = Path(shop.settings.staging) / "training" / "rows.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(planted.content)
    with pytest.raises((SlipstreamError, pa.ArrowException), match=r"(?i)parquet"):
        Scratch(shop.settings).read("training/rows.parquet")


def test_no_line_of_ours_could_load_a_pickle() -> None:
    found = []
    for path in OURS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _names(node) & (UNSAFE | UNSAFE_CALLS):
                found.append(f"{path.relative_to(PROJECT)}:{node.lineno}")
    assert found == []
    assert len(OURS) > 200


def _names(node: ast.AST) -> set[str]:
    """Return what a piece of code imports, asks for by attribute, or passes by name."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {node.arg} if isinstance(node, ast.keyword) and node.arg else set()
