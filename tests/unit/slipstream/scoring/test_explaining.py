from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from slipstream.attribution.trees import margin
from slipstream.definitions import Model
from slipstream.definitions.model import Explain
from slipstream.errors import FatalError, NotFoundError, SchemaError
from slipstream.intervals import Interval, utc
from slipstream.promotion import Registry
from slipstream.scoring import explain_prediction, score

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)


def day(number: int) -> Interval:
    return Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)


def explaining(model: Model, **settings: Any) -> Model:
    explain = Explain(**settings) if settings else None
    return model.model_copy(update={"scoring": model.scoring.model_copy(update={"explain": explain})})


def scored(shop: Any, model: Model, interval: Interval, **changes: Any) -> Any:
    return score(model, interval, **{**shop.source, "run": shop.run, **changes})


def rows_of(shop: Any, model: Model, interval: Interval) -> list[dict[str, Any]]:
    return shop.lake.table(model.table).read(interval.start, interval.end).sort_by("order_id").to_pylist()


def test_every_prediction_has_the_reasons_that_add_up_to_it(stocked_shop: Any, tree_champion: Model) -> None:
    scored(stocked_shop, explaining(tree_champion, top=3, rows="all"), day(3))
    rows = rows_of(stocked_shop, tree_champion, day(3))

    assert len(rows) == 60
    for row in rows:
        total = row["baseline"] + sum(reason["contribution"] for reason in row["reasons"])
        assert total == pytest.approx(margin("log-odds", np.float64(row["score"])), abs=1e-6)
        sizes = [abs(reason["contribution"]) for reason in row["reasons"]]
        assert sizes == sorted(sizes, reverse=True)
        assert {reason["feature"] for reason in row["reasons"]} <= set(tree_champion.features)


def test_a_reason_names_the_value_that_the_feature_had(stocked_shop: Any, tree_champion: Model) -> None:
    scored(stocked_shop, explaining(tree_champion, top=3, rows="all"), day(4))
    values = {
        feature: {
            each["value"]
            for row in rows_of(stocked_shop, tree_champion, day(4))
            for each in row["reasons"]
            if each["feature"] == feature
        }
        for feature in tree_champion.features
    }

    assert values["order_facts:kind"] <= {"a", "b", "c", None}
    assert values["order_facts:rush"] <= {"true", "false"}
    assert all(value is None or float(value) < 10 for value in values["order_facts:size"])


def test_only_as_many_reasons_are_stored_as_are_wanted(stocked_shop: Any, tree_champion: Model) -> None:
    scored(stocked_shop, explaining(tree_champion, top=1, rows="all"), day(5))
    assert {len(row["reasons"]) for row in rows_of(stocked_shop, tree_champion, day(5))} == {1}


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.51, 1.0])
def test_only_the_highest_scores_are_explained(stocked_shop: Any, tree_champion: Model, fraction: float) -> None:
    scored(stocked_shop, explaining(tree_champion, top_fraction=fraction), day(6))
    rows = rows_of(stocked_shop, tree_champion, day(6))

    explained = [row["score"] for row in rows if row["reasons"] is not None]
    others = [row["score"] for row in rows if row["reasons"] is None]
    assert len(explained) == int(np.ceil(fraction * 60))
    assert not others or min(explained) >= max(others)
    assert all((row["baseline"] is None) == (row["reasons"] is None) for row in rows)


def test_nothing_is_left_waiting_in_staging(stocked_shop: Any, tree_champion: Model) -> None:
    scored(stocked_shop, explaining(tree_champion, top_fraction=0.1), day(6))
    folder = stocked_shop.settings.home / "staging"
    assert [path for path in folder.rglob("*") if path.is_file() and tree_champion.name in str(path)] == []


@pytest.mark.parametrize("settings", [{"rows": "all"}, {"top_fraction": 0.3}])
def test_in_whatever_batches_rows_come_the_digest_is_the_same(
    stocked_shop: Any, tree_champion: Model, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = explaining(tree_champion, top=2, **settings)
    whole = scored(stocked_shop, model, day(7))
    for module, name, rows in (("scoring.score", "ROWS_AT_ONCE", 7), ("scoring.explaining", "ROWS_AT_ONCE", 3)):
        monkeypatch.setattr(sys.modules[f"slipstream.{module}"], name, rows)
    monkeypatch.setattr(sys.modules["slipstream.attribution.explainer"], "_CELLS", 11)
    again = scored(stocked_shop, model, day(7))
    assert (again.digest, again.changed) == (whole.digest, False)


def test_equal_scores_are_chosen_by_key_whatever_their_order(stocked_shop: Any, tmp_path: Any) -> None:
    from slipstream.lake.scratch import Scratch
    from slipstream.scoring.explaining import highest_rows

    def chosen(order: Any) -> set[int]:
        times = pa.array([FIRST] * 40, pa.timestamp("us", tz="UTC"))
        batch = pa.record_batch({"order_id": pa.array(order, pa.int64()), "prediction_time": times})
        pairs = iter([(batch.slice(0, 15), np.full(15, 0.5)), (batch.slice(15), np.full(25, 0.5))])
        how = {"key": ("order_id",), "schema": batch.schema, "scratch": Scratch(stocked_shop.settings)}
        found = highest_rows(pairs, 0.25, path="scoring/ties.parquet", **how)
        return {
            key for rows, _, mask in found for key, yes in zip(rows["order_id"].to_pylist(), mask, strict=True) if yes
        }

    first = chosen(np.arange(40))
    assert len(first) == 10
    assert chosen(np.random.default_rng(1).permutation(40)) == first


def test_reasons_may_be_switched_on_and_off_again(stocked_shop: Any) -> None:
    model = stocked_shop.trees()
    stocked_shop.train(model)
    stocked_shop.settle(model, stocked_shop.judge(model))
    table = stocked_shop.lake.table(model.table)

    off = scored(stocked_shop, model, day(8))
    assert "reasons" not in table.schema().names
    on = scored(stocked_shop, explaining(model, rows="all"), day(9))
    scored(stocked_shop, model, day(10))

    found = table.read()
    assert [
        found.filter(pa.compute.equal(found["interval_start"], day(n).start))["reasons"].null_count for n in (8, 9, 10)
    ] == [60, 0, 60]
    assert scored(stocked_shop, model, day(8)).digest == off.digest
    assert not scored(stocked_shop, explaining(model, rows="all"), day(9)).changed
    back = scored(stocked_shop, model, day(9))
    assert back.changed
    assert back.digest != on.digest
    assert not scored(stocked_shop, model, day(10)).changed


def test_an_interval_without_anybody_is_complete_with_reasons_too(stocked_shop: Any, tree_champion: Model) -> None:
    for settings in ({"rows": "all"}, {"top_fraction": 0.5}):
        nobody = explaining(tree_champion, **settings)
        nobody._files = {**nobody._files, "population.sql": nobody.text("population.sql") + " AND false"}
        assert scored(stocked_shop, nobody, day(11)).rows == 0


def test_a_champion_that_cannot_be_explained_is_an_error_and_nothing_is_written(stocked_shop: Any) -> None:
    model = stocked_shop.model()
    stocked_shop.train(model)
    stocked_shop.settle(model, stocked_shop.judge(model))
    with pytest.raises(SchemaError, match=r"Version 1 of .* cannot be explained: a LogisticRegression"):
        scored(stocked_shop, explaining(model, rows="all"), day(3))
    assert not stocked_shop.lake.table(model.table).exists()


def test_reasons_that_do_not_add_up_are_not_stored(
    stocked_shop: Any, tree_champion: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Registry.from_settings(stocked_shop.settings).load(tree_champion.name, "1")
    monkeypatch.setattr(loaded.explainer, "baseline", loaded.explainer.baseline + 1e-5)
    monkeypatch.setattr(Registry, "load", lambda *_: loaded)
    with pytest.raises(FatalError, match="do not add up"):
        scored(stocked_shop, explaining(tree_champion, rows="all"), day(12))
    assert not stocked_shop.lake.table(tree_champion.table).complete(day(12))


def test_shap_is_not_imported_where_nobody_asks_for_reasons() -> None:
    modules = [
        "scoring.score",
        "scoring.explaining",
        "scoring.waterfall",
        "promotion.loading",
        "promotion.checks",
        "attribution",
    ]
    line = f"import sys, {', '.join(f'slipstream.{module}' for module in modules)}\n"
    line += "from sklearn.ensemble import RandomForestRegressor as Forest\n"
    line += "slipstream.attribution.refusal(Forest(2).fit([[0], [1]], [0, 1])); print('shap' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == "False"


def asked(shop: Any, model: Model, order: str, **how: Any) -> Any:
    return explain_prediction(model, {"order_id": order}, **shop.source, **how)


def test_stored_reasons_and_those_computed_anew_are_the_same(stocked_shop: Any, tree_champion: Model) -> None:
    scored(stocked_shop, explaining(tree_champion, top=2, rows="all"), day(13))
    order = str(13 * 60 + 5)

    stored = asked(stocked_shop, tree_champion, order)
    anew = asked(stocked_shop, tree_champion, order, every=True)

    assert (stored.stored, anew.stored) == (True, False)
    assert anew.reasons[: len(stored.reasons)] == stored.reasons
    assert (anew.baseline, anew.score) == (stored.baseline, stored.score)
    assert anew.margin == pytest.approx(stored.margin, abs=1e-9)
    assert anew.others == pytest.approx(0, abs=1e-9)


def test_a_prediction_without_reasons_is_explained_by_the_version_that_made_it(
    stocked_shop: Any, tree_champion: Model
) -> None:
    scored(stocked_shop, explaining(tree_champion), day(14))
    found = asked(stocked_shop, tree_champion, str(14 * 60), at=day(14).start + timedelta(hours=5))
    assert not found.stored
    assert found.baseline + sum(each.contribution for each in found.reasons) == pytest.approx(found.margin)
    assert found.key == {"order_id": 14 * 60}


def test_features_that_cannot_be_rebuilt_are_told(stocked_shop: Any, tree_champion: Model) -> None:
    scored(stocked_shop, explaining(tree_champion), day(15))
    edited = explaining(tree_champion)
    edited._files = {**edited._files, "population.sql": edited.text("population.sql") + " AND order_id < 0"}
    with pytest.raises(FatalError, match=r"cannot be rebuilt.*found 0 rows"):
        asked(stocked_shop, edited, str(15 * 60))


def test_a_key_that_nobody_predicted_says_what_there_is(stocked_shop: Any, tree_champion: Model) -> None:
    scored(stocked_shop, explaining(tree_champion), day(16))
    with pytest.raises(NotFoundError, match=r"never predicted order_id=99999. It holds .* there is order_id="):
        asked(stocked_shop, tree_champion, "99999")
    with pytest.raises(NotFoundError, match=r"nearest it did is at 2013-01-17T00:00:00Z"):
        asked(stocked_shop, tree_champion, str(16 * 60), at=day(20).start)
    with pytest.raises(SchemaError, match="Wanted a value of type int64 for order_id, found 'x'"):
        asked(stocked_shop, tree_champion, "x")
    with pytest.raises(NotFoundError, match="Nothing was predicted"):
        asked(stocked_shop, stocked_shop.trees(), "1")
