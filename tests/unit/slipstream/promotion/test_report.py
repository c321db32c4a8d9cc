from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from pydantic import TypeAdapter

from slipstream.definitions.gate import GateCheck
from slipstream.intervals import utc
from slipstream.promotion import CheckResult, Registry, Verdict, evaluate_gate
from slipstream.promotion.charts import Dots, Estimate, bars, cells, dots, forest, histogram, lines, reliability
from slipstream.promotion.gate import run_check
from slipstream.promotion.pages import Section, spell, to_html, to_markdown
from slipstream.promotion.pictures import pictures
from slipstream.promotion.report import verdict_page

EVIL = "<script>alert('x')</script> & \"q\" | *b*\n# h"
VOID = {"meta", "rect", "circle", "polyline", "path"}


class Tags(HTMLParser):
    """Collects the tags of a page, and fails where one is closed that is not open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def compared(shop, three_versions):
    """Give a model, a verdict on its third version against its first, and the evidence."""
    model, versions = three_versions
    found = shop.compare(model, challenger=versions[2], champion=versions[0])
    verdict = evaluate_gate(model, found, settings=shop.settings, record=False)
    return model, verdict, found.evidence(model, settings=shop.settings)


def test_the_report_has_every_sentence_number_and_picture(compared):
    page = verdict_page(compared[1], compared[0], compared[2])
    tags = Tags(page)
    verdict = compared[1]
    assert tags.open == []
    assert re.findall("<title>(.*?)</title>\n<", page)[1:] == [
        "Histogram of the mean gain in log_loss over resampled blocks",
        "Gain in log_loss by block of time",
        "Reliability: mean observed share against mean predicted chance",
        "challenger&#x27;s score against champion&#x27;s score",
    ]
    for check in verdict.checks:
        assert check.name in page
        assert all(escape(spell(value)) in page for value in check.numbers.values())
    assert verdict.digest in page
    assert "Gain by block" in page


def test_the_report_loads_nothing_and_runs_nothing(compared):
    page = verdict_page(compared[1], compared[0], compared[2])
    assert "Content-Security-Policy" in page
    assert not re.search(r"(src|href)=|https?://|@import|url\(", page)
    assert "script" not in Tags(page).seen


def test_words_of_others_come_out_as_words(compared):
    model, verdict, evidence = compared
    evil = CheckResult("own", "failed", EVIL, {EVIL: EVIL, "slices": [{EVIL: EVIL, "n": 3}], "of": {EVIL: {EVIL: 1.5}}})
    bad = replace(verdict, reason=EVIL, checks=(*verdict.checks, evil), code_version=EVIL, gate=({EVIL: EVIL},))
    tags = Tags(verdict_page(bad, model, evidence))
    assert "script" not in tags.seen
    assert tags.open == []


def test_markdown_of_others_words_keeps_its_table():
    page = to_markdown(EVIL, [Section("t", rows=[{"a": EVIL, "b": 1}, {"b": None}])])
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert "<script>" not in page.replace("\\<", "")
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_a_verdict_on_which_nothing_could_be_compared_has_a_report_without_pictures(compared):
    model, verdict, _ = compared
    page = verdict_page(replace(verdict, outcome="undecided", reason="Too few.", checks=()), model, None)
    assert "Too few." in page
    assert "<svg" not in page


def test_the_report_is_logged_beside_the_verdict(shop):
    model = shop.model("regression")
    found = shop.train(model)
    shop.judge(model)
    page = Registry.from_settings(shop.settings).document(found.run_id, "verdict.html")
    assert page is not None
    assert f"{model.name} version {found.version}" in page
    assert page.count("<svg") == 1


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [1e9, -1e-9], [-3.0] * 400])
def test_pictures_hold_for_values_that_do_not_vary_or_vary_wildly(values):
    series = np.array(values)
    marked = {"mean": float(series.mean())}
    drawn = bars(series, marked=marked, across="a", up="b", title="t")
    drawn += lines({"one": reliability(series, series)}, across="a", up="b", title="t")
    drawn += histogram(series, interval=(-np.inf, np.inf), marked=marked, across="a", title="t")
    drawn += cells(series, series[::-1], cut=0.5, corners=("1", "2"), across="a", up="b", title="t")
    estimates = [Estimate(EVIL, value, -np.inf, np.inf, ("1", EVIL), strong=True) for value in values]
    drawn += forest(estimates, limit=0.1, heads=("a", "b"), across="a", title=EVIL)
    drawn += dots([Dots(EVIL, {"one": value, EVIL: 0.0}) for value in values], across="a", title="t")
    assert not re.search(r'"[^"]*(nan|inf)[^"]*"', drawn)
    assert Tags(to_html("t", [Section("s", picture=drawn)])).open == []


def test_reliability_of_perfect_scores_lies_on_the_diagonal():
    score = np.linspace(0, 1, 100)
    found = reliability(score, score)
    assert len(found) == 10
    assert all(x == y for x, y in found)


def judged_by(checks, evidence):
    """Return the verdict of some checks on evidence made by hand."""
    settings = [TypeAdapter(GateCheck).validate_python(each) for each in checks]
    found = tuple(run_check(each, evidence) for each in settings)
    model = evidence.model.model_copy(update={"gate": tuple(settings)})
    verdict = Verdict(
        model=model.name,
        challenger="2",
        champion="1",
        outcome="rejected",
        reason="r",
        comparison=evidence.comparison,
        checks=found,
        gate=tuple(each.model_dump(mode="json") for each in settings),
        definition_digest="d",
        code_version="c",
        decided_at=utc("2013-02-01"),
    )
    return model, verdict


@pytest.fixture
def by_every_check(shop, fair_coin, evidence_of):
    """Give model, verdict and evidence of a classification that slices, fairness, value and stability looked at."""
    score, label = fair_coin
    kind = np.array(["a", "b", "c", EVIL])[np.arange(len(score)) % 4]
    evidence = evidence_of(shop.model(), score, score[::-1].copy(), label, order_facts__kind=kind)
    checks = [
        {"check": "metric_gain", "resamples": 200},
        {"check": "slices", "columns": ["order_facts:kind"], "resamples": 200},
        {"check": "fairness", "columns": ["order_facts:kind"]},
        {"check": "value", "true_positive": 5, "false_positive": -2, "unit": "EUR", "resamples": 200},
        {"check": "stability", "threshold": 0.4},
    ]
    return *judged_by(checks, evidence), evidence


def test_slices_value_flips_and_rates_are_drawn_with_unit_and_window(by_every_check):
    model, verdict, evidence = by_every_check
    found = {each.title: each for each in pictures(verdict, model, evidence)}
    assert list(found) == [
        "Is the gain real?",
        "Gain by block",
        "Slices",
        "Reliability",
        "Value",
        "Flips",
        "Selection rates",
    ]
    assert all("4,000 rows with prediction_time from 2013-02-01" in each.text[-1] for each in found.values())
    assert all(each.picture.count("<title>") >= 1 for each in found.values())
    assert "EUR a day" in found["Value"].picture
    page = Tags(to_html("t", found.values()))
    assert page.open == []
    assert "script" not in page.seen


def test_the_flips_that_are_drawn_are_those_of_the_check(by_every_check):
    model, verdict, evidence = by_every_check
    numbers = verdict.checks[-1].numbers
    section = next(each for each in pictures(verdict, model, evidence) if each.title == "Flips")
    assert f"{numbers['to_yes']:,} to yes" in section.picture
    assert f"{numbers['to_no']:,} to no" in section.picture
    assert f"{numbers['flips']:.2%} of the decisions flip" in section.text[0]


def test_a_regression_has_a_shift_and_no_flips(shop, evidence_of):
    chance = np.random.default_rng(1)
    label = chance.normal(size=400)
    evidence = evidence_of(shop.model("regression"), label, label + 1, label)
    model, verdict = judged_by([{"check": "metric_gain", "resamples": 200}], evidence)
    titles = [each.title for each in pictures(verdict, model, evidence)]
    assert titles == ["Is the gain real?", "Gain by block", "Reliability", "Shift"]


def test_two_rows_of_one_day_are_still_drawn(shop, evidence_of):
    evidence = evidence_of(shop.model(), np.array([0.2, 0.2]), np.array([0.2, 0.2]), np.array([0.0, 1.0]), days=1)
    model, verdict = judged_by([{"check": "metric_gain"}], evidence)
    assert [each.title for each in pictures(verdict, model, evidence)] == ["Gain by block", "Reliability", "Flips"]


def test_the_rules_are_in_the_document_and_not_in_its_digest(compared):
    verdict = compared[1]
    assert set(verdict.rules["checks"]) == {"baseline", "metric_gain", "resampling"}
    assert verdict.rules["libraries"]["numpy"]
    told = verdict.as_dict()
    assert Verdict.from_dict(told) == verdict
    before = {name: value for name, value in told.items() if name != "rules"}
    assert Verdict.from_dict(before).digest == verdict.digest
