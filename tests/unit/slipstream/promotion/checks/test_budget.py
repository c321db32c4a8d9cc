from __future__ import annotations

import json
import time
from dataclasses import dataclass

import numpy as np
import pytest

from slipstream.definitions import BudgetCheck
from slipstream.promotion.gate import run_check
from slipstream.promotion.registry import Registry

CHECK = BudgetCheck(check="budget", repeats=3)
ROWS = np.full(1000, 0.5)


@dataclass
class Version:
    """A version that keeps a processor busy for so long."""

    seconds: float
    size: int = 1_000_000

    def score(self, rows):
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        return np.zeros(rows.num_rows)


def found_of(compared, model, challenger, champion, check=CHECK):
    versions = {"2": challenger, "1": champion}
    return run_check(check, compared(model, ROWS, ROWS if champion else None, ROWS, load=versions.get))


def test_a_version_that_is_much_slower_fails_and_a_little_slower_one_passes(shop, compared):
    slow = found_of(compared, shop.model(), Version(0.06), Version(0.01))
    assert slow.outcome == "failed"
    assert "times the champion's, more than 3" in slow.sentence
    assert found_of(compared, shop.model(), Version(0.01), Version(0.01)).outcome == "passed"
    json.dumps(slow.as_dict(), allow_nan=False)


def test_times_too_short_to_be_told_apart_are_alike(shop, compared):
    assert found_of(compared, shop.model(), Version(0.001), Version(0.0)).outcome == "passed"


def test_a_file_that_is_much_larger_fails(shop, compared):
    found = found_of(compared, shop.model(), Version(0, 6_000_000), Version(0, 1_000_000))
    assert found.outcome == "failed"
    assert "the model's file has 6.0 times the champion's, more than 5" in found.sentence


def test_without_a_champion_only_its_own_limits_count(shop, compared):
    limits = BudgetCheck(check="budget", repeats=1, max_megabytes=2, max_seconds=10)
    assert found_of(compared, shop.model(), Version(0), None).outcome == "not_applicable"
    assert found_of(compared, shop.model(), Version(0), None, limits).outcome == "passed"
    large = found_of(compared, shop.model(), Version(0, 3_000_000), None, limits)
    assert (large.outcome, "more than 2 MB" in large.sentence) == ("failed", True)


def test_without_a_registry_it_is_undecided(shop, compared):
    assert run_check(CHECK, compared(shop.model(), ROWS, ROWS, ROWS)).outcome == "undecided"


def test_a_registered_version_knows_its_size(shop, three_versions):
    model, versions = three_versions
    assert Registry.from_settings(shop.settings).load(model.name, versions[0]).size == pytest.approx(100_000, rel=0.999)


@dataclass
class Hungry(Version):
    """A version that holds so many megabytes, and takes as many more to score."""

    megabytes: int = 0

    def __post_init__(self):
        self.held = np.ones(self.megabytes * 125_000)

    def score(self, rows):
        return (self.held * 2)[:0] if len(self.held) else np.zeros(rows.num_rows)


def test_memory_counts_the_model_and_its_scoring(shop, compared):
    found = found_of(compared, shop.model(), Hungry(0, megabytes=12), Hungry(0, megabytes=2))
    assert found.numbers["peak_megabytes"] == pytest.approx({"challenger": 24, "champion": 4}, abs=0.5)
    assert (found.outcome, "its peak of memory is 6.0 times the champion's" in found.sentence) == ("failed", True)
    assert found_of(compared, shop.model(), Hungry(0, megabytes=2), Hungry(0, megabytes=2)).outcome == "passed"


def test_memory_too_little_to_matter_is_alike(shop, compared):
    limit = BudgetCheck(check="budget", repeats=1, max_peak_megabytes=3)
    assert found_of(compared, shop.model(), Hungry(0, megabytes=1), Version(0)).outcome == "passed"
    large = found_of(compared, shop.model(), Hungry(0, megabytes=2), None, limit)
    assert (large.outcome, "its peak of memory is more than 3 MB" in large.sentence) == ("failed", True)
