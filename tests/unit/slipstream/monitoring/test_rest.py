from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from slipstream.definitions.model import Retraining
from slipstream.intervals import Interval, utc
from slipstream.monitoring.decision import free_from, judge

DAY = timedelta(days=1)
AT = utc("2013-02-01")  # a training at this time has rows of 21 days: from 1 January to ten days before it


def resting(definitions: Any, share: float) -> Any:
    policy = Retraining(cooldown=3 * DAY, min_new_share=share)
    return definitions.model("churn").model_copy(update={"retraining": policy})


@pytest.mark.parametrize(("share", "days"), [(0.0, 3), (0.1, 3), (0.5, 10.5), (1.0, 21)])
def test_the_rest_grows_with_what_the_version_in_service_was_trained_on(
    shop_definitions: Any, share: float, days: float
) -> None:
    assert free_from(resting(shop_definitions, share), AT, AT) == AT + days * DAY


def test_a_rejected_challenger_starts_the_cooldown_and_not_the_rest(shop_definitions: Any) -> None:
    model, rejected = resting(shop_definitions, 0.5), AT + 11 * DAY
    assert free_from(model, rejected, AT) == rejected + 3 * DAY


def test_before_the_first_training_nothing_has_to_rest(shop_definitions: Any) -> None:
    assert free_from(resting(shop_definitions, 0.5), None, None) is None


def test_a_decision_says_when_the_next_training_may_start(shop_definitions: Any) -> None:
    model, day = resting(shop_definitions, 0.5), Interval(AT + 9 * DAY, AT + 10 * DAY)
    retrain, reason = judge(model, day, ("drift",), AT, AT)
    assert not retrain
    assert "2013-02-11T12:00:00Z" in reason
    assert judge(model, Interval(AT + 10 * DAY, AT + 11 * DAY), ("drift",), AT, AT)[0]
