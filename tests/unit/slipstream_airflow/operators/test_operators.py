"""Operators are thin, say what they do, and refuse what they do not know."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from airflow.providers.standard.exceptions import HITLTriggerEventError

import slipstream_airflow.operators as package
from slipstream.errors import FatalError
from slipstream.features import Needed
from slipstream.intervals import Interval, utc
from slipstream.lake import Lake, Provenance, Run
from slipstream.promotion import Answer, Asked
from slipstream.settings import Settings
from slipstream_airflow.documentation import documentation
from slipstream_airflow.links.link import verdict_links
from slipstream_airflow.operators.approval import answer_of, user_of
from slipstream_airflow.operators.base import SlipstreamOperator, passed, passed_list
from slipstream_airflow.operators.compare_with_champion import CompareWithChampionOperator
from slipstream_airflow.operators.materialise_features import MaterialiseFeaturesOperator
from slipstream_airflow.operators.report_drift import report_url
from slipstream_airflow.operators.request_approval import RequestApprovalOperator
from slipstream_airflow.operators.sweep_staging import SweepStagingOperator


def every_operator() -> list[type[SlipstreamOperator]]:
    found = []
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        own = [kind for _, kind in inspect.getmembers(loaded, inspect.isclass) if kind.__module__ == loaded.__name__]
        found += [kind for kind in own if issubclass(kind, SlipstreamOperator) and "execute" in vars(kind)]
    return found


def test_there_is_an_operator_for_every_step() -> None:
    assert len(every_operator()) == 20


@pytest.mark.parametrize("kind", every_operator())
def test_every_argument_has_a_name_and_every_field_a_template(kind: type[SlipstreamOperator]) -> None:
    parameters = inspect.signature(inspect.unwrap(kind.__init__)).parameters.values()
    kinds = {each.kind for each in parameters if each.name not in ("self", "kwargs")}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}
    assert kind is SweepStagingOperator or set(kind.template_fields) & {"source", "view", "model", "table"}
    assert documentation(kind).endswith(".")


def test_the_log_says_what_came_of_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    task = SweepStagingOperator(task_id="sweep")
    task._post_execute_hook({"task": task}, {"files": 3, "metrics": [1, 2]})  # as Airflow calls it
    logged = capsys.readouterr().out
    assert "Done: files=3" in logged
    assert "metrics" not in logged


def test_a_misspelt_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="veiw"):
        MaterialiseFeaturesOperator(task_id="make", view="facts", veiw="facts")


def test_what_another_task_passed_on_must_be_what_it_returned() -> None:
    assert passed({"a": 1}) == {"a": 1}
    assert passed_list([{"a": 1}]) == passed_list({"a": 1}) == [{"a": 1}]
    for wrong in (None, "None", "{{ ti.xcom_pull('x') }}"):
        with pytest.raises(FatalError, match="Wanted what an earlier task returned"):
            passed(wrong)


def ti(**pulled: Any) -> SimpleNamespace:
    return SimpleNamespace(xcom_pull=lambda task_ids, key: pulled.get(task_ids), map_index=-1)


ASKED_AT = utc("2026-03-01")
VERDICT_ASKED = Asked("2", "d", "1", 1, "2", ASKED_AT)


def test_the_ledger_learns_who_answered() -> None:
    answer = Answer("yes", "ada", utc("2026-03-02"), VERDICT_ASKED)
    context: Any = {"ti": ti(approval=answer.as_dict())}
    assert answer_of(context, "approval") == answer
    assert answer_of(context, None) is None
    assert answer_of({"ti": ti()}, "approval") is None  # type: ignore[typeddict-item]
    with pytest.raises(FatalError, match="Wanted the answer that the task 'approval' left"):
        answer_of({"ti": ti()}, "approval", wanted=True)  # type: ignore[typeddict-item]
    assert user_of({"responded_by_user": {"id": "1", "name": "ada"}}) == "ada"
    assert user_of({"responded_by_user": {"id": "1", "name": None}}) == "1"
    assert user_of({"responded_by_user": None}) is None


@pytest.mark.parametrize(
    ("chosen", "user", "hours", "answer"),
    [
        ("Approve", "ada", 47, ("yes", "ada")),
        ("Reject", "ada", 47, ("no", "ada")),
        ("Reject", None, 48, ("none", None)),
        ("Approve", "ada", 49, ("none", None)),
    ],
)
def test_an_answer_that_comes_after_the_time_is_none(
    chosen: str, user: str | None, hours: int, answer: tuple[str, str | None]
) -> None:
    operator = request_approval()
    at = ASKED_AT + timedelta(hours=hours)
    event = {"chosen_options": [chosen], "responded_at": at, "responded_by_user": {"id": user} if user else None}
    found = operator._answer(event, VERDICT_ASKED.as_dict())
    assert (found.answer, found.by) == answer
    assert (found.at, found.asked) == (at, VERDICT_ASKED)


def test_only_those_who_are_listed_are_assigned_and_silence_means_no() -> None:
    operator = request_approval()
    assert [user["id"] for user in operator.assigned_users or []] == ["ada", "bo"]
    assert operator.defaults == ["Reject"]
    assert (operator.response_timeout, operator.execution_timeout) == (timedelta(days=2), None)


def request_approval() -> RequestApprovalOperator:
    return RequestApprovalOperator(
        task_id="ask",
        model="m",
        verdict={},
        approvers=("ada", "bo"),
        on_approve="promote",
        on_reject="reject",
        timeout=timedelta(days=2),
    )


def test_a_challenger_that_the_ledger_knows_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    import slipstream.promotion as home

    row = SimpleNamespace(challenger="4", action="rejected", by="the gate")
    monkeypatch.setattr(home, "ledger", lambda model, lake: [row], raising=False)
    operator = CompareWithChampionOperator(task_id="compare", model="m")
    operator.__dict__["lake_hook"] = SimpleNamespace(lake=None)
    for challenger, undecided in (("4", None), (None, None), ("5", "5")):
        registry = SimpleNamespace(version=lambda model, alias, found=challenger: found)
        operator.__dict__["mlflow_hook"] = SimpleNamespace(registry=registry)
        if undecided:
            assert operator._undecided() == undecided
        else:
            with pytest.raises(AirflowSkipException):
                operator._undecided()


def test_a_challenger_waits_for_the_rows_that_it_is_judged_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

    from slipstream.promotion import evaluation

    day, lake = Interval.parse("2013-01-05"), Lake(tmp_path)
    monkeypatch.setattr(evaluation, "comparison_inputs", lambda *_, **__: [Needed("raw/orders", (day,))])
    for name in ("definitions", "definition", "settings"):
        monkeypatch.setattr(CompareWithChampionOperator, name, None)
    monkeypatch.setattr(CompareWithChampionOperator, "_compare", lambda self, *which: {"judged": which})
    operator = CompareWithChampionOperator(task_id="compare", model="m", challenger="4")
    operator.__dict__["lake_hook"] = SimpleNamespace(lake=lake, settings=Settings(home=tmp_path))
    context: Any = {"params": {"as_of": "2013-02-01T00:00:00Z"}}
    judged = {"judged": ("4", "2013-02-01T00:00:00Z")}
    with pytest.raises(TaskDeferred) as found:
        operator.execute(context)
    assert found.value.trigger.needed == [{"table": "raw/orders", "intervals": [str(day)]}]  # type: ignore[attr-defined]
    go_on = getattr(operator, found.value.method_name)
    assert go_on(context, {"status": "ready"}, **found.value.kwargs or {}) == judged
    with pytest.raises(AirflowFailException):
        go_on(context, {"status": "failed", "message": "no"}, **found.value.kwargs or {})
    lake.table("raw/orders").write(day, pa.table({"id": [1]}), provenance=Provenance(run=Run.local()))
    assert operator.execute(context) == judged


def test_report_and_card_are_linked_on_airflows_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080/air/")
    assert verdict_links("m", "2") == {
        "Verdict report": "http://127.0.0.1:8080/air/slipstream/models/m/versions/2/verdict",
        "Model card": "http://127.0.0.1:8080/air/slipstream/models/m/versions/2/card",
    }


def test_a_question_that_fails_still_links_to_report_and_card() -> None:
    task = request_approval()
    task.verdict = {"challenger": "2"}
    with pytest.raises(HITLTriggerEventError):
        task.execute_complete({"ti": None}, {"error": "gone", "error_type": "unknown"})
    assert set(task.links) == {each.name for each in task.operator_extra_links}
    assert all("/versions/2/" in address for address in task.links.values())


def test_a_report_is_linked_on_airflows_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080/")
    assert report_url("m/2013/drift.html") == "http://127.0.0.1:8080/slipstream/reports/m/2013/drift.html"
    assert report_url(None) == ""
