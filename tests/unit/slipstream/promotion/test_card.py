from __future__ import annotations

import re
from dataclasses import replace

import pytest

from slipstream.definitions.model import Card
from slipstream.intervals import utc
from slipstream.promotion import Registry, decide, evaluate_gate
from slipstream.promotion.card import card
from slipstream.promotion.pages import to_html, to_markdown
from slipstream.training import train

HEADINGS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]


@pytest.fixture
def judged(shop, three_versions):
    """Give a model, a verdict on its third version against its first, the version's details and the evidence."""
    model, versions = three_versions
    found = shop.compare(model, challenger=versions[2], champion=versions[0])
    verdict = evaluate_gate(model, found, settings=shop.settings, record=False)
    details = Registry.from_settings(shop.settings).details(model.name, versions[2])
    return model, verdict, details, found.evidence(model, settings=shop.settings)


def test_the_card_has_the_nine_headings_features_verdict_and_lineage(judged, shop):
    model, verdict, details, evidence = judged
    _, sections = card(verdict, model, details, evidence, definitions=shop.definitions)
    found = {each.title: each for each in sections}
    assert [title for title in found if title in HEADINGS] == HEADINGS
    assert found["Features"].rows[0]["description"] == "Size of the order."
    assert {"Verdict", "Lineage"} < set(found)
    assert model.purpose in found["Intended use"].text
    assert {"metric", "challenger", "champion"} == set(found["Metrics"].rows[0])
    assert re.search(r"with 90% confidence between 0\.\d+ and 0\.\d+", " ".join(found["Metrics"].text))


def test_what_nobody_has_said_is_said(judged):
    model, verdict, details, evidence = judged
    _, sections = card(verdict, model, details, evidence)
    found = {each.title: " ".join(each.text) for each in sections}
    assert "Nobody has said anything" in found["Factors"]
    assert "No check compares groups of people" in found["Ethical considerations"]


def test_the_same_verdict_gives_the_same_card(judged):
    model, verdict, details, evidence = judged
    first, second = (to_markdown(*card(verdict, model, details, evidence)) for _ in range(2))
    assert first == second


def test_an_owners_words_are_escaped_in_both_forms(judged):
    model, verdict, details, evidence = judged
    evil = model.model_copy(update={"purpose": "<img src=x onerror=alert(1)> [a](b) | c", "owner": "<b>"})
    told = card(verdict, evil, details, evidence)
    assert "<img" not in to_html(*told)
    assert "<b>" not in to_html(*told)
    plain = to_markdown(*told)
    assert "\\<img" in plain
    assert "\\[a\\]" in plain


def test_a_verdict_without_rows_has_a_card_without_metrics(judged):
    model, verdict, details, _ = judged
    _, sections = card(replace(verdict, reason="Too few.", checks=()), model, details, None)
    found = {each.title: each for each in sections}
    assert found["Metrics"].rows == ()
    assert "Too few." in found["Metrics"].text[0]


def test_the_card_is_logged_with_the_verdict_and_describes_the_features(stocked_shop):
    shop, model = stocked_shop, stocked_shop.model("regression")
    found = train(model, utc("2013-02-10"), run=shop.run, **shop.source)
    decide(model, **shop.source)
    registry = Registry.from_settings(shop.settings)
    plain, page = (registry.document(found.run_id, f"card.{form}") for form in ("md", "html"))
    assert plain is not None
    assert page is not None
    assert "Kind of the order." in plain
    assert "Kind of the order." in page
    assert page.count("<svg") == 1
    assert "<svg" not in plain


def test_a_team_may_say_what_is_not_measured(judged):
    model, verdict, details, evidence = judged
    said = {"limits": ("Blind to strikes.",), "out_of_scope": ("Hiring.",), "ethics": "It names nobody."}
    told = model.model_copy(update={"card": Card(**said)})
    found = {each.title: " ".join(each.text) for each in card(verdict, told, details, evidence)[1]}
    assert "Blind to strikes." in found["Caveats and recommendations"]
    assert "Not for this: Hiring." in found["Intended use"]
    assert "It names nobody." in found["Ethical considerations"]
    assert told.digest == model.digest
