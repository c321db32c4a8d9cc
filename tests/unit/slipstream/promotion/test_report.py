from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest

from slipstream.promotion import CheckResult, Registry, evaluate_gate
from slipstream.promotion.charts import bars, lines, reliability
from slipstream.promotion.pages import Section, spell, to_html, to_markdown
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


def test_the_report_has_every_sentence_and_number_and_both_pictures(compared):
    page = verdict_page(compared[1], compared[0], compared[2])
    tags = Tags(page)
    verdict = compared[1]
    assert tags.open == []
    assert tags.seen.count("svg") == 2
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
    drawn = bars(series, marks={"mean": float(series.mean())}, across="a", up="b")
    drawn += lines({"one": reliability(series, series)}, across="a", up="b")
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert Tags(to_html("t", [Section("s", picture=drawn)])).open == []


def test_reliability_of_perfect_scores_lies_on_the_diagonal():
    score = np.linspace(0, 1, 100)
    found = reliability(score, score)
    assert len(found) == 10
    assert all(x == y for x, y in found)
