from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slipstream import monitoring
from slipstream.definitions import Model
from slipstream.intervals import utc
from slipstream.lake import Run
from slipstream.monitoring import Alert, announce
from slipstream.monitoring.reports import keep_report
from slipstream.promotion.history import Entry, append

FIRST, DAY = utc("2013-01-01"), timedelta(days=1)


class Post:
    """Keeps what was sent; where it is down, nothing goes out."""

    def __init__(self) -> None:
        self.sent: list[Alert] = []
        self.down = False

    def __call__(self, alert: Alert) -> None:
        if self.down:
            message = "no route"
            raise OSError(message)
        self.sent.append(alert)


@pytest.fixture
def post() -> Post:
    return Post()


def tell(shop: Any, model: Model, post: Post, name: str = "1") -> Alert | None:
    run = Run(dag_id="m.monitoring", run_id=name, task_id="decide")
    return announce(model, lake=shop.lake, settings=shop.settings, run=run, send=post, link="https://air/{}".format)


def decide(shop: Any, model: Model) -> None:
    monitoring.consider(model, lake=shop.lake, settings=shop.settings, run=shop.run)


def test_each_change_is_told_once_with_what_how_much_and_what_next(shop: Any, window: Any, post: Post) -> None:
    model = shop.model()
    window(model, 0, drift=True)
    decide(shop, model)
    assert tell(shop, model, post) is None
    span = window(model, 1, drift=True)
    page = SimpleNamespace(save_html=lambda path: Path(path).touch())
    keep_report(model, span, "drift", page, settings=shop.settings)
    decide(shop, model)
    for name in ("1", "1", "2"):
        tell(shop, model, post, name)
    monitoring.claim(model, "alarm", lake=shop.lake, settings=shop.settings, run=Run("m.training", "r", "claim"))
    for name in ("3", "4"):
        tell(shop, model, post, name)
    entry = Entry("rejected", "No gain.", "ada", "p/1", challenger="7", as_of=span.end)
    append(model, lake=shop.lake, run=shop.run, decide=lambda rows: entry)
    window(model, 2, drift=True)
    decide(shop, model)
    tell(shop, model, post, "5")
    window(model, 3, drift=True, performance=True)
    window(model, 4, drift=True, performance=True)
    decide(shop, model)
    tell(shop, model, post, "6")
    for number in (5, 6, 7):
        window(model, number, drift=False, performance=False)
        decide(shop, model)
        tell(shop, model, post, "7")
    assert [each.change for each in post.sent] == [
        "opened",
        "retrain started",
        "challenger rejected",
        "changed",
        "closed",
    ]
    opened, lost = post.sent[0], post.sent[2]
    assert opened.title == f"{model.name}: alarm opened: drift"
    assert opened.text.splitlines() == [
        f"Open on version 1 of {model.name} since 2013-01-03T00:00:00Z; last window until 2013-01-03T00:00:00Z.",
        "- drift: drift of day 1",
        f"Report: https://air/{model.name}/2013-01-02T000000Z/drift.html",
        "Next: a training starts. Beyond bounds: drift; retrain for drift.",
    ]
    assert "challenger 7 rejected" in lost.text
    assert "the champion stays and the alarm stays open" in lost.text


def test_a_refusal_is_told_with_its_reason(shop: Any, window: Any, post: Post) -> None:
    model = shop.model(retraining=shop.model().retraining.model_copy(update={"reasons": ("performance",)}))
    for number in range(3):
        window(model, number, drift=True)
        decide(shop, model)
        tell(shop, model, post)
    assert [each.change for each in post.sent] == ["opened"]
    assert "Next: no training. Beyond bounds: drift; the policy does not retrain for it." in post.sent[0].text


def test_a_message_that_did_not_go_out_goes_with_the_next_look(shop: Any, window: Any, post: Post) -> None:
    model = shop.model()
    window(model, 0, drift=True)
    window(model, 1, drift=True)
    post.down = True
    with pytest.raises(OSError, match="no route"):
        tell(shop, model, post)
    post.down = False
    tell(shop, model, post, "2")
    tell(shop, model, post, "3")
    assert [each.change for each in post.sent] == ["opened"]


def test_a_message_whose_sender_was_killed_is_sent_by_its_next_try_or_after_a_while(
    shop: Any, window: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shop.model()
    window(model, 0, drift=True)
    window(model, 1, drift=True)

    def killed(alert: Alert) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            announce(model, lake=shop.lake, settings=shop.settings, run=Run("m", "1", "t"), send=killed)
    assert tell(shop, model, post, "another") is None
    monkeypatch.setattr(monitoring.alerts, "PATIENCE", timedelta(0))
    assert tell(shop, model, post, "another") is not None
    assert tell(shop, model, post, "a third") is None


def test_an_alarm_that_was_over_before_anybody_looked_is_not_told(shop: Any, window: Any, post: Post) -> None:
    model = shop.model()
    for number, drift in enumerate([True, True, False, False]):
        window(model, number, drift=drift)
    assert tell(shop, model, post) is None
