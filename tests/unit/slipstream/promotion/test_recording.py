"""What MLflow shows of a verdict and of the decision after it: links, tags, the card."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slipstream.intervals import utc
from slipstream.promotion import Registry, evaluate_gate
from slipstream.promotion.addresses import airflow_address, mlflow_address
from slipstream.promotion.history import LedgerRow
from slipstream.promotion.pages import Section, replace_section, to_html, to_markdown
from slipstream.promotion.recording import record_decision

EVIL = "<!-- end of decision --><script>1</script>"


@pytest.fixture
def recorded(shop, three_versions):
    """Give settings that name Airflow, a verdict on the third version that was recorded, and its ledger row."""
    model, versions = three_versions
    settings = shop.settings.model_copy(update={"airflow_url": "http://airflow.example/"})
    found = shop.compare(model, challenger=versions[2], champion=versions[0])
    verdict = evaluate_gate(model, found, settings=settings)
    row = LedgerRow(
        model=model.name,
        seq=4,
        at=utc("2013-02-12"),
        as_of=verdict.as_of,
        action="promoted",
        version=versions[2],
        replaces=versions[0],
        challenger=versions[2],
        reason=verdict.reason,
        by="ada",
        verdict=verdict.as_dict(),
        verdict_digest=verdict.digest,
        run_id="d/r",
    )
    return settings, verdict, row


def test_the_card_says_who_decided_once_somebody_has(recorded):
    settings, verdict, row = recorded
    registry, run_id = Registry.from_settings(settings), verdict.comparison.run_id
    assert "Nobody has decided" in registry.document(run_id, "card.md")
    record_decision(replace(row, by=EVIL), settings=settings)
    record_decision(row, settings=settings)
    first = {name: registry.document(run_id, name) for name in ("card.md", "card.html")}
    record_decision(row, settings=settings)
    for name, text in first.items():
        assert "ada" in text
        assert "Nobody has decided" not in text
        assert "<script" not in text
        assert registry.document(run_id, name) == text
    assert first["card.html"].endswith("</html>\n")


def test_version_and_run_say_the_outcome_and_link_to_the_pages(recorded):
    settings, verdict, row = recorded
    registry, run_id = Registry.from_settings(settings), verdict.comparison.run_id
    client = registry.client
    client.update_model_version(verdict.model, verdict.challenger, "Mine.\n\n")
    for _ in range(2):
        record_decision(row, settings=settings)
    said = client.get_model_version(verdict.model, verdict.challenger).description
    note = registry.run_tags(run_id)["mlflow.note.content"]
    experiment = registry.experiment_of(run_id)
    assert said.startswith("Mine.")
    for text in (said, note):
        assert text.count("Promoted by ada at 2013-02-12T00:00:00Z") == 1
        assert f"(#/experiments/{experiment}/runs/{run_id}/artifacts/verdict.html)" in text
        page = f"slipstream/models/{verdict.model}/versions/{verdict.challenger}"
        assert f"(http://airflow.example/{page}/card)" in text


def test_the_version_is_tagged_with_outcome_digest_and_reason(recorded):
    settings, verdict, _ = recorded
    tags = Registry.from_settings(settings).client.get_model_version(verdict.model, verdict.challenger).tags
    assert tags["slipstream.verdict"] == verdict.outcome
    assert tags["slipstream.verdict_digest"] == verdict.digest
    assert verdict.reason.startswith(tags["slipstream.verdict_reason"][:1000])


def test_a_decision_about_a_run_that_is_gone_is_no_fault(recorded):
    settings, _, row = recorded
    gone = {**row.verdict, "comparison": {**row.verdict["comparison"], "run_id": "0" * 32}}
    record_decision(replace(row, verdict=gone), settings=settings)
    record_decision(replace(row, verdict=None), settings=settings)


def test_a_section_is_replaced_in_both_forms_and_nothing_else():
    before = [Section("a", text=[EVIL]), Section("b", text=["old"], mark="decision"), Section("c", text=["kept"])]
    after = [before[0], Section("b", text=["new"], mark="decision"), before[2]]
    for form in (to_html, to_markdown):
        assert replace_section(form("t", before), after[1]) == form("t", after)
        assert replace_section(form("t", [before[0]]), after[1]) == form("t", [before[0]])


def test_no_password_comes_into_a_link(shop, tmp_path):
    secret = shop.settings.model_copy(update={"mlflow_tracking_uri": "https://ann:s3cret@mlflow.example:5000/ml/"})
    assert mlflow_address(secret) == "https://mlflow.example:5000/ml"
    assert mlflow_address(shop.settings) is None
    assert airflow_address(shop.settings) is None
