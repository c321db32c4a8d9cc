from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slipstream.definitions.model import Approval
from slipstream.errors import NoChampionError, NotFoundError, VerdictError
from slipstream.intervals import utc
from slipstream.lake import Lake, Run
from slipstream.promotion import (
    Answer,
    Asked,
    Registry,
    Verdict,
    ask,
    champion,
    ledger,
    promote,
    promoting,
    reject,
    repair,
    resolve_champion,
    rollback,
)
from slipstream.promotion.approval import question
from slipstream.settings import Settings

NOW = utc("2013-02-10")


@pytest.fixture
def model(request, shop, three_versions):
    """Give a model: with three versions, for a test that asks for them, else one of its own."""
    return three_versions[0] if "three" in request.fixturenames else shop.model()


@pytest.fixture
def three(shop, three_versions) -> list[str]:
    """Give three registered versions; they are the session's, the ledger is the test's own."""
    model, versions = three_versions
    repair(model, lake=shop.lake, settings=shop.settings)
    return versions


def accepted(shop, model, version: str, **changes) -> Verdict:
    """Return an acceptance of ``version`` against the champion of now, whatever its losses are."""
    found = shop.judge(model, challenger=version, as_of=NOW)
    return replace(found, outcome="accepted", **changes)


def accept(shop, model, version: str, **changes):
    return shop.settle(model, accepted(shop, model, version, **changes))


def alias(shop, model) -> str | None:
    return Registry.from_settings(shop.settings).version(model.name, "champion")


def back(shop, model, **how):
    given = {"reason": "it was wrong", "lake": shop.lake, "settings": shop.settings, "run": Run.local("ann")}
    return rollback(model, **{**given, **how})


def test_the_first_model_passes_against_the_baseline_and_becomes_champion(shop, model):
    found = shop.train(model)
    verdict = shop.judge(model)
    row = shop.settle(model, verdict)
    registry = Registry.from_settings(shop.settings)
    assert verdict.outcome == "accepted"
    assert (row.action, row.version, row.replaces, row.by) == ("promoted", "1", None, "tester")
    assert row.verdict == verdict.as_dict()
    assert resolve_champion(model, lake=shop.lake, settings=shop.settings) == found.version
    assert alias(shop, model) == found.version
    assert registry.version(model.name, "challenger") is None
    assert registry.details(model.name, "1").verdict == "accepted"


def test_a_retried_promotion_returns_the_row_that_is_there(shop, model):
    shop.train(model)
    verdict = shop.judge(model)
    first = shop.settle(model, verdict)
    later = Verdict.from_dict(replace(verdict, decided_at=NOW).as_dict())
    assert shop.settle(model, later) == first
    assert len(ledger(model, lake=shop.lake)) == 1


def test_a_rejection_leaves_the_champion_and_is_written_once(shop, model, three):
    accept(shop, model, three[0])
    verdict = replace(shop.judge(model, challenger=three[1], as_of=NOW), outcome="rejected")
    first, second = shop.settle(model, verdict), shop.settle(model, verdict)
    assert first == second
    assert (first.action, first.version, first.challenger) == ("rejected", three[0], three[1])
    assert alias(shop, model) == three[0]


@pytest.mark.parametrize("outcome", ["rejected", "undecided"])
def test_only_an_acceptance_promotes(shop, model, outcome):
    shop.train(model)
    verdict = replace(shop.judge(model), outcome=outcome)
    with pytest.raises(VerdictError, match=f"is {outcome}, so it is not promoted"):
        promote(model, verdict, lake=shop.lake, settings=shop.settings, run=shop.run)
    with pytest.raises(VerdictError, match="use promote"):
        reject(model, replace(verdict, outcome="accepted"), lake=shop.lake, settings=shop.settings, run=shop.run)
    with pytest.raises(VerdictError, match="not about 'other'"):
        promote("other", verdict, lake=shop.lake, settings=shop.settings, run=shop.run)


def asked(shop, verdict) -> Asked:
    return ask(verdict, lake=shop.lake, settings=shop.settings)


def said(shop, verdict, answer: str = "yes", by: str | None = "ada") -> Answer:
    return Answer(answer, by, utc("2026-03-02T10:00"), asked(shop, verdict))


def tag(shop, model, version: str) -> dict[str, Any]:
    tags = Registry.from_settings(shop.settings).client.get_model_version(model.name, version).tags
    return json.loads(tags["slipstream.approval"])


@pytest.fixture
def strict(model):
    """Give the model as one that wants an approval by ada."""
    return model.model_copy(update={"approval": Approval(required=True, approvers=("ada",))})


@pytest.fixture
def given(shop) -> dict[str, Any]:
    return {"lake": shop.lake, "settings": shop.settings, "run": shop.run}


def test_a_yes_goes_to_the_ledger_and_to_the_versions_tags(shop, strict, three, given):
    verdict = accepted(shop, strict, three[0])
    with pytest.raises(VerdictError, match="wants a person's yes"):
        promote(strict, verdict, **given)
    answer = said(shop, verdict)
    row = promote(strict, verdict, by=answer.by, approval=answer, **given)
    assert (row.action, row.by, row.approval) == ("promoted", "ada", answer.as_dict())
    assert Answer.from_dict(ledger(strict, lake=shop.lake)[0].approval) == answer
    assert tag(shop, strict, three[0]) == {"answer": "yes", "at": "2026-03-02T10:00:00Z", "by": "ada", "void": False}
    assert promote(strict, verdict, approval=answer, **given) == row


def test_a_no_and_silence_are_rows_of_their_own_and_a_later_yes_still_counts(shop, strict, three, given):
    verdict = accepted(shop, strict, three[0])
    with pytest.raises(VerdictError, match="use promote"):
        reject(strict, verdict, approval=said(shop, verdict), **given)
    for answer, reason in ((said(shop, verdict, "no"), "ada said no."), (said(shop, verdict, "none", None), "Nobody")):
        with pytest.raises(VerdictError, match=f"is not promoted: {reason}"):
            promote(strict, verdict, approval=answer, **given)
        row = reject(strict, verdict, by=answer.by, approval=answer, **given)
        assert reject(strict, verdict, by=answer.by, approval=answer, **given) == row
        assert row.action == "rejected"
        assert row.reason.startswith(reason)
        assert tag(shop, strict, three[0])["answer"] == answer.answer
    yes = said(shop, verdict)
    assert promote(strict, verdict, approval=yes, **given).seq == 3
    with pytest.raises(VerdictError, match="was promoted by this verdict"):
        reject(strict, verdict, approval=said(shop, replace(verdict, champion=three[0]), "no"), **given)


def test_a_yes_counts_for_exactly_the_version_and_the_verdict_that_were_shown(shop, strict, three, given):
    first = accepted(shop, strict, three[0])
    other = accepted(shop, strict, three[1])
    newer = replace(first, comparison=replace(first.comparison, digest="newer rows"))
    for verdict in (other, newer):
        with pytest.raises(VerdictError, match=f"is for version {three[0]} and the verdict"):
            promote(strict, verdict, approval=said(shop, first), **given)
    assert ledger(strict, lake=shop.lake) == []


def _roll_back_and_forth(shop, model, three):
    """Leave the champion that was there when the question was put, by another row."""
    accept(shop, model, three[1])
    back(shop, model)


def _move(name: str, number: int):
    def move(shop, model, three):
        Registry.from_settings(shop.settings).set_alias(model.name, name, three[number])

    return move


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda shop, model, three: accept(shop, model, three[1]),
            "champion was version 1 and now is version 2 since",
        ),
        (_roll_back_and_forth, r"the champion was version 1 and now is version 1 since .* \(rolled back by ann\)"),
        (_move("champion", 1), "somebody moved the alias champion from version 1 to version 2"),
        (_move("challenger", 1), "the alias challenger moved from version 3 to version 2"),
    ],
)
def test_an_approval_is_void_once_what_was_true_at_the_question_no_longer_is(
    shop, model, strict, three, given, change, words
):
    accept(shop, model, three[0])
    _move("challenger", 2)(shop, model, three)
    verdict = accepted(shop, strict, three[2])
    answer = said(shop, verdict)
    change(shop, model, three)
    before = champion(model, lake=shop.lake)
    with pytest.raises(VerdictError, match=f"approval of {model.name} version 3 by ada is void: .*{words}"):
        promote(strict, verdict, approval=answer, **given)
    row = ledger(model, lake=shop.lake)[-1]
    assert (row.action, row.version, row.challenger) == ("void", before.version, three[2])
    assert row.approval == answer.as_dict()
    assert tag(shop, model, three[2])["void"]
    assert champion(model, lake=shop.lake) == before
    assert alias(shop, model) == before.version
    _move("challenger", 2)(shop, model, three)
    with pytest.raises(VerdictError, match="is void"):  # a retried task finds all as it was, and the answer stays void
        promote(strict, verdict, approval=answer, **given)
    assert ledger(model, lake=shop.lake)[-1] == row


def test_nobody_is_asked_about_a_verdict_that_is_void_already(shop, model, three):
    accept(shop, model, three[0])
    stale = accepted(shop, model, three[2])
    accept(shop, model, three[1])
    with pytest.raises(VerdictError, match=f"is void: it compared with version {three[0]}"):
        asked(shop, stale)


def test_the_question_names_the_version_what_the_gate_found_and_who_may_answer(shop, model, three):
    accept(shop, model, three[0])
    verdict = accepted(shop, model, three[1])
    text = question(verdict, links={"Report": "/r"}, approvers=("ada", "bo"), until=utc("2026-03-04T10:00"))
    assert f"**{model.name} version {three[1]}** wants to be champion. Champion now: version {three[0]}." in text
    assert all(check.sentence in text for check in verdict.checks)
    assert "The gate: **accepted**" in text
    assert "[Report](/r)" in text
    assert "Who may answer: ada, bo. Without a yes before 2026-03-04 10:00 UTC" in text


def test_a_verdict_against_a_champion_of_yesterday_is_void(shop, model, three):
    accept(shop, model, three[0])
    stale = accepted(shop, model, three[2])
    accept(shop, model, three[1])
    with pytest.raises(VerdictError, match=f"is void: it compared with version {three[0]}, and the"):
        shop.settle(model, stale)
    assert alias(shop, model) == three[1]


def test_one_goes_back_step_by_step_and_not_to_and_fro(shop, model, three):
    for version in three:
        accept(shop, model, version)
    first, second = back(shop, model), back(shop, model)
    assert (first.version, first.replaces, first.by, first.reason) == (three[1], three[2], "ann", "it was wrong")
    assert second.version == three[0]
    assert alias(shop, model) == three[0]
    with pytest.raises(VerdictError, match="none before it"):
        back(shop, model)


def test_a_version_that_was_rolled_back_from_does_not_come_again_by_the_same_verdict(shop, model, three):
    accept(shop, model, three[0])
    verdict = accepted(shop, model, three[1])
    shop.settle(model, verdict)
    back(shop, model)
    with pytest.raises(VerdictError, match="rolled back from by ann: it was wrong"):
        shop.settle(model, verdict)
    assert champion(model, lake=shop.lake).version == three[0]
    on_other_rows = replace(verdict, comparison=replace(verdict.comparison, digest="newer rows"))
    assert shop.settle(model, on_other_rows).version == three[1]


def test_one_can_go_back_to_a_version_by_name_if_it_was_champion(shop, model, three):
    for version in three[:2]:
        accept(shop, model, version)
    with pytest.raises(VerdictError, match=r"version 3 never was champion. One can go back to: \['1'\]"):
        back(shop, model, to=three[2])
    with pytest.raises(VerdictError, match="is the champion already"):
        back(shop, model, to=three[1])
    assert back(shop, model, to=three[0]).version == three[0]


def test_a_rollback_wants_a_reason_and_a_champion(shop, model):
    with pytest.raises(VerdictError, match="wants a reason"):
        back(shop, model, reason="  ")
    with pytest.raises(NoChampionError, match="nothing to go back from"):
        back(shop, model)


def test_a_version_that_was_deleted_cannot_be_gone_back_to_nor_promoted(shop, model):
    three = [shop.train(model, NOW - timedelta(days=days)).version for days in (4, 2, 0)]
    for version in three[:2]:
        accept(shop, model, version)
    verdict = accepted(shop, model, three[2])
    for version in (three[0], three[2]):
        Registry.from_settings(shop.settings).client.delete_model_version(model.name, version)
    with pytest.raises(NotFoundError, match="version 3 is not in the registry"):
        shop.settle(model, verdict)
    with pytest.raises(NotFoundError, match="version 1 is not in the registry; there are the versions 2"):
        back(shop, model)
    assert champion(model, lake=shop.lake).version == three[1]


def test_a_retried_rollback_goes_back_once(shop, model, three):
    for version in three:
        accept(shop, model, version)
    run = Run(dag_id="shop.rollback", run_id="manual__1", task_id="restore_version")
    first, second = back(shop, model, run=run), back(shop, model, run=run)
    assert first == second
    assert first.version == three[1]


def test_an_alias_that_somebody_moved_is_put_right_and_that_is_logged(shop, model, three, caplog):
    accept(shop, model, three[0])
    Registry.from_settings(shop.settings).set_alias(model.name, "champion", three[2])
    assert resolve_champion(model, lake=shop.lake, settings=shop.settings) == three[0]
    assert alias(shop, model) == three[0]
    assert "points to version 3, the ledger names 1" in caplog.text


def test_an_alias_without_a_ledger_is_taken_away(shop, model):
    shop.train(model)
    Registry.from_settings(shop.settings).set_alias(model.name, "champion", "1")
    assert repair(model, lake=shop.lake, settings=shop.settings) is None
    assert alias(shop, model) is None
    with pytest.raises(NoChampionError, match="slipstream run training"):
        resolve_champion(model, lake=shop.lake, settings=shop.settings)


def _die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(when: str) -> None:
    """Let this process be killed at a point of its promotion."""
    from slipstream.lake.writing import Writer

    whole = Registry.set_alias

    def die_at_challenger(self, model, alias, version):
        return _die() if alias == "challenger" else whole(self, model, alias, version)

    points = {
        "before the row": (promoting, "append", _die),
        "when the row's file lies in the lake": (Writer, "_attempt", _die),
        "after the row": (promoting, "_move_aliases", _die),
        "at the alias": (Registry, "set_alias", _die),
        "between the aliases": (Registry, "set_alias", die_at_challenger),
        "after the aliases": (promoting, "tag_answer", _die),
    }
    setattr(*points[when])


BEFORE = ("before the row", "when the row's file lies in the lake")
POINTS = (*BEFORE, "after the row", "at the alias", "between the aliases", "after the aliases")


def _promote(values, settings: Settings, when: str | None, barrier=None, answers=None) -> None:
    verdict = Verdict.from_dict(values)
    run = Run(dag_id="shop", run_id=f"run-{verdict.challenger}", task_id="promote")
    if when:
        _die_at(when)
    if barrier:
        barrier.wait(120)
    try:
        promote(verdict.model, verdict, lake=Lake.from_settings(settings), settings=settings, run=run)
        said = "won"
    except VerdictError as error:
        said = str(error)
    if answers:
        answers.put((verdict.challenger, said))


def _watch(name: str, settings: Settings, ready, over, seen) -> None:
    """Ask again and again who is champion, and mend the alias as every reader does, until told to stop."""
    lake, found = Lake.from_settings(settings), []
    while not over.is_set():
        before = champion(name, lake=lake)
        resolved = resolve_champion(name, lake=lake, settings=settings)
        after = champion(name, lake=lake)
        if before is None or after is None or resolved not in (before.version, after.version):
            found.append("not one champion")
        found += [before.version, resolved, after.version] if before and after else []
        ready.set()
    seen.put([version for version, _ in itertools.groupby(found)])


@pytest.fixture
def processes():
    """Give a maker of processes that import what they need once, and share nothing else with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["slipstream.promotion.promoting", "mlflow"])
    return context


@pytest.fixture
def watched(processes, shop, model):
    """Give a function that starts a process which looks on, and one that ends it and returns whom it saw."""
    ready, over, seen = processes.Event(), processes.Event(), processes.Queue()
    onlooker = processes.Process(target=_watch, args=(model.name, shop.settings, ready, over, seen))

    def begin():
        onlooker.start()
        assert ready.wait(120)

    def end() -> list[str]:
        over.set()
        found = seen.get(timeout=120)
        onlooker.join(60)
        return found

    yield begin, end
    if onlooker.is_alive():
        onlooker.kill()


def test_a_promotion_killed_at_any_point_leaves_one_champion_and_can_be_tried_again(
    shop, model, three, processes, watched
):
    begin, end = watched
    held, rival = three[:2]
    base = accepted(shop, model, held)
    shop.settle(model, base)
    registry = Registry.from_settings(shop.settings)
    begin()
    for number, when in enumerate(POINTS, start=1):
        rows = replace(base.comparison, digest=f"rows {number}", challenger=rival, champion=held)
        verdict = replace(base, challenger=rival, champion=held, comparison=rows)
        registry.set_alias(model.name, "challenger", rival)
        process = processes.Process(target=_promote, args=(verdict.as_dict(), shop.settings, when))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, when
        expected = held if when in BEFORE else rival
        assert champion(model, lake=shop.lake).version == expected, when
        assert resolve_champion(model, lake=shop.lake, settings=shop.settings) == expected == alias(shop, model), when
        assert shop.settle(model, verdict).version == rival
        assert [row.action for row in ledger(model, lake=shop.lake)] == ["promoted"] * (number + 1), when
        assert alias(shop, model) == rival
        assert registry.version(model.name, "challenger") is None
        held, rival = rival, held
    seen = end()
    assert seen == [row.version for row in ledger(model, lake=shop.lake)]


def test_of_two_challengers_promoted_at_once_one_wins_and_the_others_verdict_is_void(
    shop, model, three, processes, watched
):
    begin, end = watched
    accept(shop, model, three[0])
    barrier, answers = processes.Barrier(2), processes.Queue()
    rivals = [accepted(shop, model, version).as_dict() for version in three[1:]]
    given = [processes.Process(target=_promote, args=(each, shop.settings, None, barrier, answers)) for each in rivals]
    begin()
    for process in given:
        process.start()
    found = dict(answers.get(timeout=180) for _ in given)
    for process in given:
        process.join(60)
    winner = next(version for version, answer in found.items() if answer == "won")
    loser = next(answer for answer in found.values() if answer != "won")
    assert "is void" in loser
    assert champion(model, lake=shop.lake).version == winner
    assert resolve_champion(model, lake=shop.lake, settings=shop.settings) == winner == alias(shop, model)
    assert len(ledger(model, lake=shop.lake)) == 2
    assert end() == [three[0], winner]
