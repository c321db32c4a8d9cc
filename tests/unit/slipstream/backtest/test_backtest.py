"""A backtest does what the DAGs would have done: proved against the calls of the tasks on the same lake."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstream.backtest import backtest, load_policies
from slipstream.backtest.judging import verdict
from slipstream.backtest.rows import Rows, load_rows, pinned
from slipstream.backtest.store import Store
from slipstream.backtest.versions import trained
from slipstream.definitions import Model
from slipstream.definitions.policy import Policy
from slipstream.errors import FatalError, IncompleteError
from slipstream.intervals import Interval, utc
from slipstream.monitoring import monitor
from slipstream.scoring import score
from slipstream.training import build_training_set, train

START, END, DAY = utc("2013-01-22"), utc("2013-02-09"), timedelta(days=1)
SPAN = Interval(START, END)


class Quiet:
    def step(self, name: str, total: int | None) -> None: ...
    def advance(self, name: str, done: int) -> None: ...
    def finish(self, name: str, seconds: float) -> None: ...


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a home whose backtests all tests of this module share, as runs that follow each other would."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def world(stocked_shop: Any, kept: Path) -> tuple[Any, Model, Rows, Store]:
    """Give the stocked shop, its model, the rows of the whole time, and what is kept of them."""
    shop, model = stocked_shop, stocked_shop.definitions.model("churn")
    whole = Interval(model.start, END)
    versions = pinned(model, whole, definitions=shop.definitions, lake=shop.lake)
    store = Store(kept / "world")
    return shop, model, load_rows(model, whole, versions, store=store, **shop.source), store


@pytest.fixture
def study(stocked_shop: Any, kept: Path) -> Callable[..., Any]:
    """Run a backtest of policies in the shared home, or in ``home``."""

    def run(*policies: Policy, home: Path = kept, model: Model | None = None, span: Interval = SPAN) -> Any:
        settings = stocked_shop.settings.model_copy(update={"home": home})
        source = {**stocked_shop.source, "settings": settings}
        return backtest(model or stocked_shop.definitions.model("churn"), span, policies, show=Quiet(), **source)

    return run


def policy(named: str = "often", **model: Any) -> Policy:
    return Policy.model_validate({"name": named, "gate": "off", "model": model})


OFTEN = policy(training={"schedule": "0 0 */5 * *"}, retraining={"reasons": []})
NEVER = policy("never", training={"schedule": None}, retraining={"reasons": []})


def test_a_version_is_fitted_on_the_rows_that_the_training_task_stages(world: tuple[Any, Model, Rows, Store]) -> None:
    shop, model, rows, store = world
    named = model.model_copy(update={"name": shop.model().name})
    for as_of in (START, START + 11 * DAY + timedelta(hours=7)):
        staged = build_training_set(named, as_of, run=shop.run, **shop.source)
        found = trained(model, as_of, rows, store)
        assert (found.digest, found.rows) == (staged.digest, staged.rows)
        assert (found.train_start, found.train_end) == (staged.train_start, staged.train_end)


def test_it_says_of_every_row_what_the_scoring_task_publishes(world: tuple[Any, Model, Rows, Store]) -> None:
    shop, model, rows, store = world
    named = model.model_copy(update={"name": shop.model().name})
    real = train(named, START, run=shop.run, **shop.source)
    shop.settle(named, shop.judge(named))
    found = trained(model, START, rows, store)
    assert (found.params, found.loss) == (real.params, pytest.approx(real.metrics["validation.log_loss"], rel=1e-12))
    day = Interval(START + 3 * DAY, START + 4 * DAY)
    score(named, day, run=shop.run, **shop.source)
    published = shop.lake.table(named.table).read(day.start, day.end).sort_by("order_id")
    predicted, first = rows.predicted(day.start, day.end)
    assert predicted["order_id"].to_pylist() == published["order_id"].to_pylist()
    ours = found.score(np.arange(first, first + predicted.num_rows))
    np.testing.assert_allclose(ours, published["score"].to_numpy(), rtol=1e-12)


def test_the_gate_says_what_the_promotion_task_would_say(world: tuple[Any, Model, Rows, Store]) -> None:
    shop, model, rows, store = world
    named = model.model_copy(update={"name": shop.model().name})
    later = START + 14 * DAY
    train(named, START, run=shop.run, **shop.source)
    from slipstream.promotion import decide

    shop.settle(named, decide(named, **shop.source))
    train(named, later, run=shop.run, **shop.source)
    real = decide(named, **shop.source)
    found = verdict(model, trained(model, later, rows, store), trained(model, START, rows, store), later, rows, store)
    assert (found["outcome"], found["rows"]) == (real.outcome, real.comparison.rows)
    assert [each["sentence"] for each in found["checks"]] == [each.sentence for each in real.checks]


def test_it_watches_what_the_monitoring_task_watches(world: tuple[Any, Model, Rows, Store]) -> None:
    from slipstream.backtest.watching import Service, _verdicts

    shop, model, rows, store = world
    named = model.model_copy(update={"name": shop.model().name})
    train(named, START, run=shop.run, **shop.source)
    shop.settle(named, shop.judge(named))
    for day in range(9):
        score(named, Interval(START + day * DAY, START + (day + 1) * DAY), run=shop.run, **shop.source)
    interval = Interval(START + 8 * DAY, START + 9 * DAY)
    real = monitor(named, interval, run=shop.run, **shop.source)
    version = trained(model, START, rows, store)
    scores = np.full(rows.population.num_rows, np.nan)
    _, first = rows.predicted(START, END)
    scores[first:] = version.score(np.arange(first, len(scores)))
    found = _verdicts(model, interval, Service([(START, version)], scores), rows, store)
    assert tuple(kind for kind, beyond in found.items() if beyond) == real.beyond
    table = shop.lake.table(named.monitoring_table).read(interval.start, interval.end).to_pylist()
    judged = {row["metric"]: row["value"] is not None for row in table if row["kind"] == "verdict"}
    assert {kind: beyond is not None for kind, beyond in found.items()} == judged


def test_a_version_serves_from_the_scoring_after_its_training(study: Callable[..., Any]) -> None:
    (run,) = study(OFTEN).runs
    assert [each["at"][:10] for each in run["trainings"]] == ["2013-01-26", "2013-01-31", "2013-02-01", "2013-02-06"]
    assert [each["from"][:10] for each in run["promotions"]] == ["2013-01-27", "2013-02-01", "2013-02-02", "2013-02-07"]
    assert [month["retrains"] for month in run["months"]] == [2, 2]
    assert sum(month["rows"] for month in run["months"]) == run["all"]["rows"] == 18 * 60


def test_the_gate_keeps_what_is_no_better(study: Callable[..., Any]) -> None:
    asked, free = study(OFTEN.model_copy(update={"gate": "both"})).runs
    assert (asked["gate"], free["gate"]) == ("on", "off")
    assert free["all"]["promotions"] == free["all"]["retrains"] == asked["all"]["retrains"] == 4
    assert asked["all"]["promotions"] < 4
    assert {each["outcome"] for each in asked["trainings"]} <= {"accepted", "rejected", "undecided"}


def test_alarms_train_within_the_cooldown_and_not_beyond(study: Callable[..., Any]) -> None:
    once = {"windows": 1, "alarms": 1}
    nervous = policy(
        "nervous",
        training={"schedule": None},
        monitoring={
            "drift_threshold": 0.001,
            "drift_share": 0.01,
            "small_sample": 0,
            "noise_quantile": 0,
            "persistence": once,
        },
        retraining={"reasons": ["drift"], "cooldown": "4d"},
    )
    (run,) = study(nervous).runs
    days = [utc(each["at"]) for each in run["trainings"]]
    assert days[0] == START + 7 * DAY  # the first window that lies wholly after the first champion
    assert len(days) >= 2
    assert all(after - before >= timedelta(days=4) for before, after in pairwise(days))
    assert all("drift" in each["why"] for each in run["trainings"])


def test_without_a_training_the_first_version_serves_to_the_end(study: Callable[..., Any]) -> None:
    (run,) = study(NEVER).runs
    assert (run["all"]["retrains"], run["promotions"], run["alarms"]) == (0, [], [])


def test_policies_that_train_at_one_time_share_the_training(study: Callable[..., Any], tmp_path: Path) -> None:
    found = study(
        OFTEN, policy("daily", training={"schedule": "0 0 */2 * *"}, retraining={"reasons": []}), home=tmp_path
    )
    wanted = {each["version"] for run in found.runs for each in run["trainings"]} | {"2013-01-22T00:00:00Z"}
    assert len(list((found.folder.parents[1] / "versions").iterdir())) == len(wanted)


def test_what_was_found_is_found_again_and_never_made_again(
    study: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study(OFTEN, NEVER, home=tmp_path)

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("slipstream.backtest.versions._train", never)
    monkeypatch.setattr("slipstream.backtest.rows._of_piece", never)
    assert study(OFTEN, NEVER, home=tmp_path).as_dict() == first.as_dict()


def test_half_a_piece_is_made_again(study: Callable[..., Any], tmp_path: Path) -> None:
    first = study(OFTEN, home=tmp_path)
    base = first.folder.parents[1]
    victim = next((base / "versions").iterdir())
    victim.rename(victim.with_name(f".{victim.name}.half"))
    (victim.with_name(f".{victim.name}.half") / "version.json").unlink()
    for path in (base / "monitoring").glob("*"):
        path.write_text('{"metr', encoding="utf-8")
    second = study(OFTEN, home=tmp_path)
    plain = [{**each, "trainings": None, "months": None, "all": None} for each in (first.runs[0], second.runs[0])]
    assert plain[0] == plain[1]
    assert victim.is_dir()


def test_its_files_tell_the_whole_of_it(study: Callable[..., Any]) -> None:
    found = study(OFTEN, NEVER)
    assert (found.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    page = (found.folder / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "often, gate off" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_regression_has_its_own_metrics(study: Callable[..., Any], stocked_shop: Any) -> None:
    (run,) = study(OFTEN, model=stocked_shop.definitions.model("amount")).runs
    assert {"mae", "rmse", "r2"} <= run["all"].keys()
    assert "log_loss" not in run["all"]


def test_the_value_is_that_of_the_models_own_check(study: Callable[..., Any], stocked_shop: Any) -> None:
    priced = Policy.model_validate(
        {
            "name": "priced",
            "gate": "off",
            "model": {
                "gate": [{"check": "baseline"}, {"check": "value", "true_positive": 5.0, "false_positive": -2.0}],
                "training": {"schedule": None},
                "retraining": {"reasons": []},
            },
        }
    ).of(stocked_shop.definitions.model("churn"))
    (run,) = study(NEVER, model=priced).runs
    assert all(month["value_a_day"] != 0 for month in run["months"])


def test_a_time_of_few_rows_says_so(study: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="training rows"):
        study(NEVER, home=tmp_path, span=Interval(utc("2013-01-12"), utc("2013-01-14")))


def test_days_that_are_not_in_the_lake_are_named(study: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="airflow backfill create --dag-id"):
        study(NEVER, home=tmp_path, span=Interval(START, utc("2013-03-01")))


def test_the_built_in_policies_fit_every_model(stocked_shop: Any) -> None:
    found = load_policies([])
    assert [each.name for each in found] == ["never", "monthly", "weekly", "alarms"]
    for model in stocked_shop.definitions.models.values():
        changed = [each.of(model) for each in found]
        assert [each.training.schedule for each in changed] == [None, "0 0 1 * *", "0 0 * * 1", None]
        assert [bool(each.retraining.reasons) for each in changed] == [False, False, False, True]
        assert {each.training_digest for each in changed} == {model.training_digest}


def test_a_shift_that_nobody_follows_does_harm(
    world: tuple[Any, Model, Rows, Store], study: Callable[..., Any]
) -> None:
    from slipstream.backtest.months import harms
    from slipstream.backtest.running import Course
    from slipstream.backtest.watching import Service

    _, model, rows, store = world
    good = trained(model, START, rows, store)
    folder = store.folder / "wrong"
    shutil.copytree(good.folder, folder, dirs_exist_ok=True)
    np.save(folder / "scores.npy", 1 - good.scores)
    wrong = replace(good, key="wrong", version="wrong", folder=str(folder))
    course = Course(Service([(START, good), (START + DAY, wrong), (START + 2 * DAY, good)], np.empty(0)))
    down, up = harms(model, SPAN, course, rows, utc("2013-02-10"))
    assert (down["harmful"], up["harmful"]) == (True, False)
    assert down["gain"] < 0 < up["gain"]
