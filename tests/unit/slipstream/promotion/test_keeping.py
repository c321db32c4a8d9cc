from __future__ import annotations

from dataclasses import replace

import pytest

from slipstream.errors import NotFoundError
from slipstream.promotion import Registry
from slipstream.promotion.keeping import versions_to_keep


def test_what_the_ledger_names_is_kept_though_the_version_was_deleted_and_the_definition_is_gone(shop):
    model = shop.model()
    found = shop.train(model)
    registry = Registry.from_settings(shop.settings)
    before = versions_to_keep("raw/orders", lake=shop.lake, registry=registry)
    trained = registry.details(model.name, found.version).versions["raw/orders"]
    verdict = shop.judge(model)
    shop.settle(model, replace(verdict, comparison=replace(verdict.comparison, versions={"raw/orders": 987654})))
    registry.client.delete_model_version(model.name, found.version)
    with pytest.raises(NotFoundError):
        registry.details(model.name, found.version)

    kept = versions_to_keep("raw/orders", lake=shop.lake, registry=registry)

    assert kept == before | {trained, 987654}
    assert 987654 not in versions_to_keep("raw/outcomes", lake=shop.lake, registry=registry)


def test_a_rejected_challenger_keeps_what_it_was_trained_on(shop):
    model = shop.model()
    found = shop.train(model)
    registry = Registry.from_settings(shop.settings)
    rejected = replace(shop.judge(model), outcome="rejected")
    shop.settle(model, rejected)
    registry.client.delete_model_version(model.name, found.version)

    kept = versions_to_keep("raw/orders", lake=shop.lake, registry=registry)

    assert set(rejected.comparison.versions.values()) & kept
    assert int(registry.run_tags(found.run_id)["slipstream.versions"].split('"raw/orders": ')[1].split(",")[0]) in kept
