from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from slipstream.errors import FatalError
from slipstream.intervals import utc
from slipstream.promotion import Registry
from slipstream.training import Candidate, Registered, fit_candidate, register_challenger, train
from slipstream.training.challenger import best_candidate

NOW = utc("2013-02-10")
CHANGES = [
    "create_experiment",
    "create_run",
    "update_run",
    "log_batch",
    "log_inputs",
    "log_artifacts",
    "set_terminated",
    "create_logged_model",
    "log_outputs",
    "log_model_artifacts",
    "finalize_logged_model",
    "create_registered_model",
    "create_model_version",
    "set_registered_model_alias",
]


class Killed(BaseException):
    """What no handler in the library catches, as a SIGKILL."""


def kill_at(step: int, before: bool, patch: pytest.MonkeyPatch) -> list[str]:
    """Let MLflow's client die at its change number ``step``, before or after it was made."""
    from mlflow import MlflowClient

    seen: list[str] = []
    for name in CHANGES:
        original = getattr(MlflowClient, name)

        def dying(self, *args, _name=name, _original=original, **kwargs):
            seen.append(_name)
            if before and len(seen) == step:
                raise Killed
            result = _original(self, *args, **kwargs)
            if not before and len(seen) == step:
                raise Killed
            return result

        patch.setattr(MlflowClient, name, dying)
    return seen


def one_candidate(shop):
    model = shop.model()
    training = model.training.model_copy(update={"candidates": {"C": [1.0]}})
    return model.model_copy(update={"training": training})


def runs_of(shop, model):
    client = Registry.from_settings(shop.settings).client
    experiment = client.get_experiment_by_name(model.name)
    return client.search_runs([experiment.experiment_id])


def logged_of(shop, model):
    client = Registry.from_settings(shop.settings).client
    return client.search_logged_models([client.get_experiment_by_name(model.name).experiment_id])


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_step_and_tried_again_there_is_one_run_and_one_version(shop, before):
    calm = one_candidate(shop)
    shop.train(calm)
    with pytest.MonkeyPatch.context() as patch:
        steps = kill_at(0, before, patch)
        shop.train(one_candidate(shop))
    assert len(steps) > 15
    # Each step dies once, in one and the same training: every retry starts from what the kills before it left.
    model = one_candidate(shop)
    for step in range(1, len(steps) + 1):
        with pytest.MonkeyPatch.context() as patch:
            kill_at(step, before, patch)
            try:
                shop.train(model)
            except Killed:
                continue
            break
    result = shop.train(model)
    registry = Registry.from_settings(shop.settings)
    assert registry.versions(model.name) == [result.version] == ["1"]
    assert registry.version(model.name, "challenger") == "1"
    assert len(runs_of(shop, model)) == 2
    assert {run.info.status for run in runs_of(shop, model)} == {"FINISHED"}
    assert len(logged_of(shop, model)) == 1
    assert result.metrics == shop.train(calm).metrics


def test_killed_once_at_each_step_of_a_fresh_training(shop):
    with pytest.MonkeyPatch.context() as patch:
        steps = kill_at(0, False, patch)
        shop.train(one_candidate(shop))
    late = [index for index, name in enumerate(steps, 1) if "model" in name or name == "log_artifacts"]
    for step in late:
        model = one_candidate(shop)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(step, False, patch)
            with pytest.raises(Killed):
                shop.train(model)
        result = shop.train(model)
        assert Registry.from_settings(shop.settings).versions(model.name) == [result.version], steps[step - 1]
        assert len(logged_of(shop, model)) == 1, steps[step - 1]


def test_a_version_explains_itself(shop):
    model = shop.model()
    found = shop.train(model)
    details = Registry.from_settings(shop.settings).details(model.name, found.version)
    assert details.run_id == found.run_id
    assert details.train_end == NOW - timedelta(days=10)
    assert details.versions == {"raw/orders": 3, "raw/outcomes": 4}
    assert (details.seed, details.params) == (7, found.params)
    assert details.training_digest == model.training_digest
    assert details.code_version.startswith("slipstream ")
    assert 0.3 < details.baseline < 0.7
    assert json.loads(json.dumps(details.as_dict()))["as_of"] == "2013-02-10T00:00:00Z"
    assert Registered.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_the_parent_run_holds_dataset_curves_and_a_bounded_reference(shop):
    model = shop.model()
    found = shop.train(model)
    registry = Registry.from_settings(shop.settings)
    run = registry.client.get_run(found.run_id)
    curves = {file.path for file in registry.client.list_artifacts(found.run_id, "curves")}
    reference = registry.reference(model.name, found.version)
    assert curves == {"curves/roc.png", "curves/precision_recall.png", "curves/reliability.png"}
    assert json.loads(run.inputs.dataset_inputs[0].dataset.source) == {"lake": {"raw/orders": 3, "raw/outcomes": 4}}
    assert run.data.params["C"] == str(found.params["C"])
    assert reference.num_rows == model.monitoring.sample
    assert {"order_id", "label", "score", *model.feature_columns} <= set(reference.column_names)
    assert {"validation.roc_auc", "validation.log_loss", "validation.brier", "train.roc_auc"} <= set(run.data.metrics)


def test_the_reference_is_scored_by_a_model_that_did_not_see_it(shop):
    model = shop.model()
    found = shop.train(model)
    registry = Registry.from_settings(shop.settings)
    reference = registry.reference(model.name, found.version)
    refitted = registry.load(model.name, found.version).score(reference)
    assert np.abs(refitted - reference["score"].to_numpy()).max() > 0


def test_regression_is_measured_and_registered_too(stocked_shop):
    model = stocked_shop.model("regression")
    found = train(model, NOW, **stocked_shop.source, run=stocked_shop.run)
    registry = Registry.from_settings(stocked_shop.settings)
    assert found.metrics["validation.r2"] > 0.8
    assert registry.load(model.name, found.version).task == "regression"
    assert {each.path for each in registry.client.list_artifacts(found.run_id, "curves")} == {
        "curves/predicted.png",
        "curves/residuals.png",
    }


def test_a_finished_candidate_is_not_fitted_again(shop, monkeypatch):
    model = shop.model()
    staged = shop.stage(model)
    first = fit_candidate(model, staged, 0, settings=shop.settings, run=shop.run)
    monkeypatch.setattr("slipstream.training.fitting.fit", None)
    assert fit_candidate(model, staged, 0, settings=shop.settings, run=shop.run) == first
    assert Candidate.from_dict(json.loads(json.dumps(first.as_dict()))) == first


def test_a_set_built_anew_from_newer_data_replaces_the_candidates_result(shop):
    model = shop.model()
    first = fit_candidate(model, shop.stage(model), 0, settings=shop.settings, run=shop.run)
    second = fit_candidate(model, shop.stage(model, seed=2), 0, settings=shop.settings, run=shop.run)
    assert first.run_id == second.run_id
    assert first.loss != second.loss
    assert len(runs_of(shop, model)) == 2


def test_once_registered_newer_data_change_nothing_of_a_version(shop):
    model = shop.model()
    first = shop.train(model)
    details = Registry.from_settings(shop.settings).details(model.name, first.version)
    assert shop.train(model, seed=2) == first
    assert Registry.from_settings(shop.settings).details(model.name, first.version) == details


def test_a_candidate_out_of_the_grid_is_refused(shop):
    model = shop.model()
    with pytest.raises(FatalError, match="candidates 0 to 1; found 2"):
        fit_candidate(model, shop.stage(model), 2, settings=shop.settings, run=shop.run)


def test_of_equals_the_first_wins_and_a_loss_that_is_no_number_never(shop):
    model = shop.model()
    losses = (float("nan"), 0.5, 0.4, 0.4)
    fitted = [Candidate(model.name, index, {}, loss, {}, "run") for index, loss in enumerate(losses)]
    assert best_candidate(model, fitted[::-1]).index == 2
    with pytest.raises(FatalError, match="no candidate has a validation loss"):
        best_candidate(model, fitted[:1])


def test_training_an_older_time_again_does_not_move_the_alias_back(shop):
    model = shop.model()
    old = shop.train(model, NOW - timedelta(days=3))
    new = shop.train(model, NOW)
    assert shop.train(model, NOW - timedelta(days=3)) == old
    assert Registry.from_settings(shop.settings).version(model.name, "challenger") == new.version


def test_an_estimator_that_only_pickle_could_save_is_refused(shop, tmp_path):
    text = (
        "from sklearn.linear_model import LogisticRegression\n\n\n"
        "class Mine(LogisticRegression):\n    def fit(self, X, y):\n"
        "        return super().fit(X[['order_facts__rush']].fillna(0), y)\n\n"
        "    def predict_proba(self, X):\n"
        "        return super().predict_proba(X[['order_facts__rush']].fillna(0))\n\n\n"
        "def build(params):\n    return Mine(**params)\n"
    )
    model = shop.model()
    files = {name: model.text(name) for name in model.digest_files}
    mine = model.model_copy()
    mine._files = {**files, "estimator.py": text}
    staged = shop.stage(mine)
    fitted = [fit_candidate(mine, staged, 0, settings=shop.settings, run=shop.run)]
    with pytest.raises(FatalError, match=r"trusted ones: \[.*Mine"):
        register_challenger(mine, staged, fitted, settings=shop.settings, run=shop.run)
    assert Registry.from_settings(shop.settings).versions(mine.name) == []
