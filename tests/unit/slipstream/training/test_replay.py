from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from slipstream.definitions import Model, load_definitions
from slipstream.errors import NotFoundError
from slipstream.intervals import Interval, utc
from slipstream.lake import Provenance
from slipstream.promotion import Registry, decide
from slipstream.promotion.registry import DEFINITION, PREFIX
from slipstream.provenance import committed
from slipstream.training import replay_version, train

NOW = utc("2013-02-10")


def trained(shop, task="binary_classification", **changes):
    model = shop.model(task, **changes)
    return model, train(model, NOW, run=shop.run, **shop.source)


def outcomes(found):
    return {each.name.partition(" on its")[0]: each.outcome for each in found.findings}


def replayed(shop, model, version):
    return replay_version(model.name, version, **shop.source)


def untouched(shop, model) -> bool:
    return len(Registry.from_settings(shop.settings).versions(model.name)) == 1


@pytest.mark.parametrize("task", ["binary_classification", "regression"])
def test_a_version_made_again_is_the_same_in_every_bit(stocked_shop, task):
    model, found = trained(stocked_shop, task)
    decide(model, **stocked_shop.source)
    again = replayed(stocked_shop, model, found.version)
    assert again.ok
    assert [each.outcome for each in again.findings] == ["same"] * 5
    assert again.surroundings == ()
    assert untouched(stocked_shop, model)


def test_a_correction_of_the_data_and_a_neighbour_trained_since_change_nothing(shop, stocked):
    shutil.copytree(stocked / "home", shop.settings.home, dirs_exist_ok=True)
    model, found = trained(shop)
    day = Interval(NOW - timedelta(days=20), NOW - timedelta(days=19))
    for name in ("raw/orders", "raw/outcomes"):
        table = shop.lake.table(name)
        rows = table.read(day.start, day.end).drop_columns(["interval_start"]).slice(7)
        assert table.write(day, rows, provenance=Provenance(run=shop.run)).changed
    neighbour = train(model, NOW - timedelta(days=1), run=shop.run, **shop.source)
    again = replayed(shop, model, found.version)
    assert neighbour.version != found.version
    assert again.ok, again.findings


def test_before_a_verdict_there_are_no_evaluation_rows_to_compare(stocked_shop):
    model, found = trained(stocked_shop)
    again = replayed(stocked_shop, model, found.version)
    assert again.ok
    assert again.findings[-1].outcome == "not_compared"


def test_a_model_edited_since_is_replayed_as_it_was(stocked_shop, monkeypatch):
    model, found = trained(stocked_shop)
    edited = model.model_copy(update={"features": model.features[:1], "seed": 8})
    monkeypatch.setitem(stocked_shop.definitions.models, model.name, edited)
    again = replayed(stocked_shop, model, found.version)
    assert again.ok
    assert "has been edited since" in again.findings[0].sentence


def test_code_that_only_the_registry_has_is_not_run_unless_it_is_asked_for(stocked_shop, tmp_path):
    model, mark = stocked_shop.model(), tmp_path / "gone off"
    code = f"import os\nos.path.exists({str(mark)!r}) or os.mkdir({str(mark)!r})\n" + model.text("estimator.py")
    planted = model.model_copy()
    planted._files = {**model._files, "estimator.py": code}
    found = train(planted, NOW, run=stocked_shop.run, **stocked_shop.source)
    mark.rmdir()
    forget(code)
    again = replayed(stocked_shop, model, found.version)
    assert outcomes(again) == {"definition": "same", "code": "impossible"}
    assert "--recorded-code" in again.findings[-1].sentence
    assert not mark.exists()
    asked = replay_version(model.name, found.version, **stocked_shop.source, recorded_code=True)
    assert asked.ok, asked.findings
    assert mark.exists()


def forget(code: str) -> None:
    """Have a text of an estimator imported anew."""
    digest = hashlib.sha256(code.encode()).hexdigest()[:16]
    for name in [name for name in sys.modules if name.endswith(digest)]:
        del sys.modules[name]


def test_code_is_the_projects_own_where_git_holds_it_at_any_commit(tmp_path):
    def git(*words: str) -> None:
        who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    assert not committed(tmp_path, "old = 1\n")
    git("init")
    for text in ("old = 1\n", "new = 1\n"):
        (tmp_path / "estimator.py").write_text(text, encoding="utf-8")
        git("add", ".")
        git("commit", "-m", "A change")
    assert committed(tmp_path, "old = 1\n")
    assert committed(tmp_path, "new = 1\n")
    assert not committed(tmp_path, "other = 1\n")


def test_without_the_definition_of_then_an_edited_model_cannot_be_rebuilt(stocked_shop):
    model, found = trained(stocked_shop)
    registry = Registry.from_settings(stocked_shop.settings)
    other = stocked_shop.definitions.model("amount").as_record()
    registry.log_document(found.run_id, {DEFINITION: json.dumps(other)})
    again = replayed(stocked_shop, model, found.version)
    assert outcomes(again) == {"definition": "impossible"}
    assert not again.ok
    assert "Check out" in again.findings[0].sentence


def test_another_parameter_or_seed_than_the_recorded_one_is_found(stocked_shop):
    model, found = trained(stocked_shop)
    registry = Registry.from_settings(stocked_shop.settings)
    registry.set_version_tag(model.name, found.version, f"{PREFIX}params", '{"C": 0.5}')
    again = replayed(stocked_shop, model, found.version)
    assert outcomes(again) == {
        "definition": "same",
        "training set": "same",
        "validation scores": "different",
        "model": "not_compared",
    }
    assert {each.outcome for each in again.findings if "reference" in each.name} == {"different"}
    assert not again.ok


def test_rows_that_are_others_are_told_by_column(stocked_shop):
    model, found = trained(stocked_shop)
    registry = Registry.from_settings(stocked_shop.settings)
    registry.set_version_tag(model.name, found.version, f"{PREFIX}training_set_digest", "f" * 64)
    again = replayed(stocked_shop, model, found.version)
    different = next(each for each in again.findings if each.name == "training set")
    assert different.outcome == "different"
    assert "none differs" in different.sentence
    assert "rows, has" in different.sentence


def test_a_table_version_that_is_gone_is_named(stocked_shop):
    model, found = trained(stocked_shop)
    registry = Registry.from_settings(stocked_shop.settings)
    versions = '{"raw/orders": 9999, "raw/outcomes": 1, "features/order_facts": 1}'
    registry.set_version_tag(model.name, found.version, f"{PREFIX}versions", versions)
    again = replayed(stocked_shop, model, found.version)
    assert outcomes(again)["rebuilding"] == "impossible"
    assert "9999" in again.findings[-1].sentence
    assert not again.ok


def test_a_version_that_is_not_there_is_named(shop, three_versions):
    with pytest.raises(NotFoundError):
        replay_version(three_versions[0].name, "99", **shop.source)


def test_a_recorded_definition_has_the_digests_of_its_folder(shop_definitions):
    for name in ("churn", "amount"):
        model = shop_definitions.model(name)
        again = Model.from_record(model.as_record())
        assert (again.digest, again.training_digest) == (model.digest, model.training_digest)


def test_the_examples_definitions_survive_being_recorded():
    root = Path(__file__).parents[4] / "include"
    for model in load_definitions(root).models.values():
        again = Model.from_record(json.loads(json.dumps(model.as_record())))
        assert (again.digest, again.training_digest) == (model.digest, model.training_digest)
