from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slipstream.errors import FatalError, NotFoundError, SchemaError, ServiceError
from slipstream.promotion import Registry
from slipstream.promotion.loading import load_folder, predict


@pytest.fixture
def registry(shop) -> Registry:
    return Registry.from_settings(shop.settings)


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "order_facts__rush": [True, None, False],
            "order_facts__size": [1.0, 2.0, np.nan],
            "order_facts__kind": ["a", None, "never seen"],
            "order_id": [1, 2, 3],
        }
    )


@pytest.fixture
def folder(registry, three_versions, tmp_path) -> Path:
    """Give a logged model's folder, to be tampered with."""
    import mlflow

    model, versions = three_versions
    source = mlflow.artifacts.download_artifacts(
        artifact_uri=f"models:/{model.name}/{versions[0]}", tracking_uri=registry.tracking_uri
    )
    return Path(shutil.copytree(source, tmp_path / "model"))


def test_a_loaded_version_scores_frames_and_tables_alike(registry, three_versions, rows):
    import pyarrow as pa

    model, versions = three_versions
    loaded = registry.load(model.name, versions[0])
    scores = loaded.score(rows)
    assert scores.dtype == np.float64
    assert ((scores > 0) & (scores < 1)).all()
    assert scores.tobytes() == loaded.score(pa.Table.from_pandas(rows)).tobytes()
    assert loaded.score(rows.iloc[:0]).shape == (0,)
    assert loaded is registry.load(model.name, versions[0])


def test_the_order_of_columns_and_the_company_of_other_rows_do_not_matter(registry, three_versions, rows):
    model, versions = three_versions
    loaded = registry.load(model.name, versions[0])
    turned = loaded.score(rows[rows.columns[::-1]].iloc[::-1])
    assert loaded.score(rows).tolist() == turned[::-1].tolist()


def test_a_missing_feature_and_one_of_another_type_are_named(registry, three_versions, rows):
    model, versions = three_versions
    loaded = registry.load(model.name, versions[0])
    with pytest.raises(SchemaError, match=r"lack \['order_facts__kind'\]"):
        loaded.score(rows.drop(columns="order_facts__kind"))
    with pytest.raises(SchemaError, match="trained on numbers in order_facts__size"):
        loaded.score(rows.assign(order_facts__size=["big", "small", None]))
    with pytest.raises(SchemaError, match="trained on words in order_facts__kind"):
        loaded.score(rows.assign(order_facts__kind=[1, 2, 3]))


def test_what_the_registry_holds_is_what_pyfunc_would_serve(registry, three_versions, rows, monkeypatch):
    import mlflow

    model, versions = three_versions
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.tracking_uri)
    served = mlflow.pyfunc.load_model(f"models:/{model.name}/{versions[0]}")
    frame = registry.load(model.name, versions[0]).frame(rows)
    assert np.array_equal(served.predict(frame)[:, 1], registry.load(model.name, versions[0]).score(rows))


class Bomb:
    """What a pickle can do."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle ran')",))


def test_a_planted_pickle_is_refused_before_it_runs(folder):
    document = (folder / "MLmodel").read_text()
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb()))
    (folder / "MLmodel").write_text(
        document.replace("serialization_format: skops", "serialization_format: pickle").replace(
            "pickled_model: model.skops", "pickled_model: model.pkl"
        )
    )
    with pytest.raises(FatalError, match=r"not a skops model \(format 'pickle', file 'model.pkl'\)"):
        load_folder(folder, model="m", version="1")


def test_a_skops_file_of_untrusted_types_is_refused_whatever_its_own_list_says(folder):
    import skops.io

    skops.io.dump({"x": Path}, folder / "model.skops")
    document = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(
        document.replace("skops_trusted_types:", "skops_trusted_types:\n    - pathlib.Path")
    )
    with pytest.raises(FatalError, match=r"trusted ones: \[.*Path"):
        load_folder(folder, model="m", version="1")


def test_a_model_without_a_signature_is_refused(folder):
    import yaml

    document = yaml.safe_load((folder / "MLmodel").read_text())
    del document["signature"]
    (folder / "MLmodel").write_text(yaml.safe_dump(document))
    with pytest.raises(SchemaError, match="no signature"):
        load_folder(folder, model="m", version="1")


def test_a_version_that_is_not_there_is_refused_with_those_that_are(registry, three_versions):
    model, versions = three_versions
    with pytest.raises(NotFoundError, match=f"version 99 is not in the registry; there are the versions {versions[0]}"):
        registry.details(model.name, "99")
    with pytest.raises(NotFoundError, match="there is no version of that model"):
        registry.load("nobody", "1")
    assert registry.versions("nobody") == []
    assert registry.version("nobody", "champion") is None
    registry.set_alias("nobody", "champion", None)


def test_a_version_that_training_did_not_make_is_refused(registry, three_versions, shop):
    model, versions = three_versions
    other = shop.model()
    source = registry.client.get_model_version(model.name, versions[0])
    registry.client.create_registered_model(other.name)
    registry.client.create_model_version(other.name, source.source, run_id=source.run_id, model_id=source.model_id)
    with pytest.raises(NotFoundError, match=r"has no tag slipstream\.key"):
        registry.details(other.name, "1")


def test_a_server_that_does_not_answer_is_worth_another_try(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceError, match="MLflow did not answer"):
        Registry("http://127.0.0.1:9").versions("any")


def test_a_classifier_that_never_saw_a_positive_is_refused():
    from sklearn.dummy import DummyClassifier

    estimator = DummyClassifier().fit([[1], [2]], [0, 0])
    with pytest.raises(SchemaError, match="knows the class 1"):
        predict("binary_classification", estimator, pd.DataFrame({"x": [1]}))


@pytest.mark.parametrize("name", ["HistGradientBoostingClassifier", "RandomForestClassifier", "DecisionTreeClassifier"])
def test_the_usual_estimators_are_on_the_list(name, tmp_path):
    import sklearn.ensemble
    import sklearn.tree
    import skops.io

    from slipstream.promotion.loading import untrusted_types

    kind = getattr(sklearn.ensemble, name, None) or getattr(sklearn.tree, name)
    skops.io.dump(kind().fit([[0.0], [1.0]] * 10, [0, 1] * 10), tmp_path / "model.skops")
    assert untrusted_types(tmp_path / "model.skops") == []


def test_the_registry_alone_names_the_versions_of_tables_that_were_trained_on(registry, three_versions, shop):
    model, versions = three_versions
    foreign = shop.model().name
    registry.client.create_registered_model(foreign)
    found = registry.client.get_model_version(model.name, versions[0])
    registry.client.create_model_version(foreign, found.source, run_id=found.run_id, model_id=found.model_id)
    wanted = {registry.details(model.name, version).versions["raw/orders"] for version in versions}
    assert registry.trained_on("raw/orders")[model.name] == wanted
    assert registry.trained_on("raw/nothing")[model.name] == set()
    assert foreign not in registry.trained_on("raw/orders")
