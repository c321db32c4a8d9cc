from __future__ import annotations

import shutil

import pytest

from slipstream.errors import NotFoundError
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Provenance
from slipstream.promotion import trace
from slipstream.training import train

NOW = utc("2013-02-10")


@pytest.fixture(scope="module")
def trained(shop_definitions, stocked, mlflow_store, tmp_path_factory):
    """Give a shop with a lake of the module's own, a model trained from it, and the version."""
    from slipstream.lake import Run
    from slipstream.settings import Settings

    root = tmp_path_factory.mktemp("traced")
    shutil.copytree(stocked / "home", root / "home")
    settings = Settings(project=root, home=root / "home", mlflow_tracking_uri=mlflow_store)
    lake, run = Lake.from_settings(settings), Run(dag_id="shop", run_id="manual", task_id="task", by="tester")
    model = shop_definitions.model("churn").model_copy(update={"name": "traced"})
    found = train(model, NOW, definitions=shop_definitions, lake=lake, settings=settings, run=run)
    return model, found, lake, settings, shop_definitions


def test_the_tree_leads_from_the_version_to_the_definitions_of_what_was_read(trained):
    model, found, lake, settings, definitions = trained
    tree = trace(model.name, found.version, lake=lake, settings=settings)
    tables = {each.table: each for each in tree.tables}
    view = tables["features/order_facts"]
    assert set(tables) == {"raw/orders", "raw/outcomes", "features/order_facts"}
    assert view.definitions == {definitions.view("order_facts").digest: view.intervals}
    assert view.intervals == len(lake.table("features/order_facts").intervals())
    assert view.rows == lake.table("features/order_facts").read().num_rows
    assert [each.table for each in view.inputs] == ["raw/orders"]
    assert view.inputs[0].oldest < view.inputs[0].version <= lake.table("raw/orders").version()
    assert tree.run["dag_id"] == "shop"
    assert tree.libraries["python"].startswith("3.")
    assert tree.as_dict()["training_set"]["digest"] == tree.details.training_set_digest


def test_what_was_written_later_changes_nothing_of_the_tree(trained):
    model, found, lake, settings, _ = trained
    before = trace(model.name, found.version, lake=lake, settings=settings).as_dict()
    table = lake.table("raw/orders")
    first = Interval(utc("2012-12-31"), utc("2013-01-01"))
    from slipstream.lake import Run

    rows = table.read(first.start, first.end).drop_columns(["interval_start"]).slice(1)
    table.write(first, rows, provenance=Provenance(run=Run.local(), definition="another"))
    assert table.version() > found_version(before, "raw/orders")
    assert trace(model.name, found.version, lake=lake, settings=settings).as_dict() == before


def found_version(tree, table: str) -> int:
    return next(each["version"] for each in tree["tables"] if each["table"] == table)


def test_a_table_that_the_lake_no_longer_has_is_said_and_the_rest_is_told(shop, three_versions):
    model, versions = three_versions
    tree = trace(model.name, versions[0], lake=shop.lake, settings=shop.settings)
    assert all("found none" in str(each.problem) for each in tree.tables)
    assert tree.details.code_version


def test_a_version_that_is_not_there_is_named(shop, three_versions):
    with pytest.raises(NotFoundError, match="version 99 is not in the registry"):
        trace(three_versions[0].name, "99", lake=shop.lake, settings=shop.settings)
