from __future__ import annotations

import json

from pydantic import TypeAdapter

from slipstream.definitions import GateCheck
from slipstream.promotion.verdict import Verdict, evaluate_gate


def test_every_check_judges_real_versions_in_one_verdict_that_survives_json(shop, three_versions):
    model, versions = three_versions
    feature = next(name for name in model.features if name.endswith(":kind"))
    settings = [
        {"check": "calibration"},
        {"check": "slices", "columns": [feature], "min_rows": 20, "resamples": 500},
        {"check": "stability"},
        {"check": "value", "true_positive": 1, "false_positive": -1, "min_gain": -1000, "resamples": 500},
        {"check": "fairness", "columns": [feature], "min_rows": 20},
        {"check": "schema"},
        {"check": "budget", "repeats": 1},
    ]
    gate = tuple(TypeAdapter(GateCheck).validate_python(each) for each in settings)
    asked = model.model_copy(update={"gate": gate})
    found = shop.compare(asked, challenger=versions[2], champion=versions[2])
    verdict = evaluate_gate(asked, found, settings=shop.settings, record=False)
    outcomes = {check.name: check.outcome for check in verdict.checks}
    assert set(outcomes) == {each["check"] for each in settings}
    assert {outcomes[name] for name in ("slices", "stability", "value", "schema", "budget")} == {"passed"}
    assert set(outcomes.values()) <= {"passed", "failed"}
    assert Verdict.from_dict(json.loads(json.dumps(verdict.as_dict(), allow_nan=False))) == verdict
