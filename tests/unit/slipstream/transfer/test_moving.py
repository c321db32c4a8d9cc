"""A version from staging to production, through real registries."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slipstream.erasure.versions import trained_on
from slipstream.errors import ArchiveError, NotFoundError, VerdictError
from slipstream.promotion import Registry, champion, ledger, promote_imported, trace
from slipstream.promotion.keeping import versions_to_keep
from slipstream.training import replay_version
from slipstream.transfer import Exported, Imported, export_version, import_archive

from .conftest import NAME, Keys, Side
from .tampering import pack, parts_of, signed


def bring(production: Side, archive: Path) -> Imported:
    return import_archive(archive, definitions=production.definitions, settings=production.settings)


def changed(archive: Path, target: Path, keys: Keys, **contents: bytes | None) -> Path:
    """Return an archive with other members, as the trusted side itself would sign it."""
    parts = parts_of(archive)
    for name, content in contents.items():
        if content is None:
            parts.pop(name)
        else:
            parts[name] = content
    return pack(target, signed(parts, keys.key))


def other(archive: Path, target: Path, keys: Keys) -> Path:
    """Return an archive of the same version that is another one, as after one more verdict."""
    return changed(archive, target, keys, **{"verdict/card.md": f"# Other card, {target.name}\n".encode()})


def test_it_predicts_the_same_bits_on_the_other_side(
    production: Side, staging: Side, archive: Path, promoted: str
) -> None:
    found = bring(production, archive)

    rows = staging.registry.reference(NAME, promoted)
    there, here = staging.registry.load(NAME, promoted), production.registry.load(NAME, found.version)
    assert here.score(rows).tobytes() == there.score(rows).tobytes()
    assert here.kinds == there.kinds
    assert production.registry.reference(NAME, found.version).equals(rows)


def test_the_same_version_gives_the_same_bytes(
    staging: Side, promoted: str, exported: Exported, archive: Path, tmp_path: Path
) -> None:
    again = export_version(NAME, promoted, tmp_path / "again", lake=staging.lake, settings=staging.settings)

    assert (tmp_path / "again").read_bytes() == archive.read_bytes()
    assert again.as_dict() == {**exported.as_dict(), "file": str(tmp_path / "again")}
    assert (again.verdict, again.environment) == ("accepted", "staging")


def test_the_version_says_what_it_said_there_and_where_it_comes_from(
    production: Side, staging: Side, archive: Path, exported: Exported, promoted: str
) -> None:
    found = bring(production, archive)

    there, here = staging.registry.details(NAME, promoted), production.registry.details(NAME, found.version)
    same = ("task", "as_of", "train_start", "train_end", "versions", "training_set_digest", "definition_digest", "seed")
    assert {name: getattr(here, name) for name in same} == {name: getattr(there, name) for name in same}
    assert (here.params, here.baseline, here.code_version) == (there.params, there.baseline, there.code_version)
    assert here.origin is not None
    assert (here.verdict, here.aliases) == (None, ("challenger",))
    assert here.origin.as_dict() == {
        "registry": staging.registry.identity(),
        "environment": "staging",
        "version": promoted,
        "archive": exported.archive,
        "key": exported.key,
        "verdict": "accepted",
    }
    run, mine = staging.registry.client.get_run(there.run_id), production.registry.client.get_run(here.run_id)
    assert (mine.data.params, mine.data.metrics) == (run.data.params, run.data.metrics)
    assert mine.info.status == "FINISHED"
    assert production.registry.dataset_rows(here.run_id) == staging.registry.dataset_rows(there.run_id)
    kept = {each.path for each in production.registry.client.list_artifacts(here.run_id, "imported")}
    names = ("card.html", "card.md", "lineage.json", "manifest.json", "manifest.sig", "verdict.html", "verdict.json")
    assert kept == {f"imported/{name}" for name in names}
    for name in ("verdict.json", "verdict.html", "card.html", "card.md"):
        assert production.registry.document(here.run_id, f"imported/{name}") == staging.registry.document(
            there.run_id, name
        )


def test_twice_is_once(production: Side, archive: Path) -> None:
    first, before = bring(production, archive), production.written()
    second = bring(production, archive)

    assert (first.new, second.new) == (True, False)
    assert {**second.as_dict(), "new": True} == first.as_dict()
    assert production.written() == before


def test_another_verdict_is_another_version(production: Side, archive: Path, tmp_path: Path, keys: Keys) -> None:
    first = bring(production, archive)
    second = bring(production, other(archive, tmp_path / "other", keys))

    assert (first.version, second.version) == ("1", "2")
    assert production.registry.version(NAME, "challenger") == "2"
    assert bring(production, archive).version == "1"
    assert production.registry.version(NAME, "challenger") == "2"


def test_two_imports_at_once_give_one_version(production: Side, archive: Path) -> None:
    command = [sys.executable, "-c", "from slipstream.cli.main import main; main()", "import", str(archive), "--json"]
    settings = production.settings
    environment = {
        **os.environ,
        "SLIPSTREAM_HOME": str(settings.home),
        "SLIPSTREAM_PROJECT": str(settings.project),
        "SLIPSTREAM_DEFINITIONS": str(settings.definitions),
        "SLIPSTREAM_MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "SLIPSTREAM_ENVIRONMENT": "prod",
        "SLIPSTREAM_TRUSTED_KEYS": str(settings.trusted_keys),
    }
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    ended = [(process.communicate(timeout=280), process.returncode) for process in running]

    told = [(json.loads(output), code) for (output, _), code in ended if code == 0]
    assert {code for _, code in ended} <= {0, 75}, ended  # 75: the other one kept MLflow's store busy
    assert told
    for found, _ in told:
        assert found["version"] == bring(production, archive).version
    assert len(production.registry.versions(NAME)) == 1
    assert production.registry.version(NAME, "challenger") == production.registry.versions(NAME)[0]


@pytest.mark.parametrize(
    ("step", "before"),
    [
        ("create_run", True),
        ("create_logged_model", False),
        ("log_outputs", True),
        ("create_model_version", True),
        ("set_registered_model_alias", True),
    ],
)
def test_an_import_in_the_midst_of_another_gives_one_version(
    production: Side, archive: Path, step: str, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    original, inner = getattr(MlflowClient, step), []

    def interrupted(self: Any, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(MlflowClient, step, original)
        if before:
            inner.append(bring(production, archive))
        result = original(self, *args, **kwargs)
        if not before:
            inner.append(bring(production, archive))
        return result

    monkeypatch.setattr(MlflowClient, step, interrupted)
    outer = bring(production, archive)

    assert (outer.version, outer.run_id) == (inner[0].version, inner[0].run_id)
    assert production.registry.versions(NAME) == [outer.version]
    assert production.registry.version(NAME, "challenger") == outer.version
    assert production.registry.load(NAME, outer.version).kinds
    assert len(production.written()["runs"]) == 1


CHANGES = [
    "create_experiment",
    "create_run",
    "log_batch",
    "log_inputs",
    "log_artifacts",
    "log_artifact",
    "create_logged_model",
    "log_outputs",
    "log_model_artifacts",
    "finalize_logged_model",
    "create_registered_model",
    "create_model_version",
    "set_registered_model_alias",
    "set_terminated",
]


class Killed(BaseException):
    """What no handler in the library catches, as a SIGKILL."""


def kill_after(step: int, patch: pytest.MonkeyPatch) -> None:
    """Let MLflow's client die when it has made its change number ``step``."""
    from mlflow import MlflowClient

    seen: list[str] = []
    for name in CHANGES:
        original = getattr(MlflowClient, name)

        def dying(self: Any, *args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
            seen.append(_name)
            result = _original(self, *args, **kwargs)
            if len(seen) == step:
                raise Killed
            return result

        patch.setattr(MlflowClient, name, dying)


def test_killed_at_any_step_nothing_half_is_taken_for_whole_and_the_next_import_finishes_it(
    production: Side, archive: Path
) -> None:
    # Each change dies once, in one and the same import: every retry starts from what the kills before it left.
    for step in range(1, 100):
        with pytest.MonkeyPatch.context() as patch:
            kill_after(step, patch)
            try:
                found = bring(production, archive)
                break
            except Killed:
                pass
        for version in production.registry.versions(NAME):
            assert production.registry.details(NAME, version).origin
            assert production.registry.load(NAME, version).estimator is not None
            assert production.registry.reference(NAME, version).num_rows
            assert production.registry.document(
                production.registry.details(NAME, version).run_id, "imported/verdict.json"
            )
    assert step > 10
    state = production.written()
    assert state["versions"] == [found.version] == ["1"]
    assert (len(state["runs"]), len(state["models"]), state["challenger"]) == (1, 1, "1")
    assert production.registry.client.get_run(found.run_id).info.status == "FINISHED"


class Marker:
    """What a pickle runs when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def refused(production: Side, archive: Path, words: str) -> None:
    before = production.written()
    with pytest.raises(ArchiveError, match=words) as error:
        bring(production, archive)
    assert "\n" not in str(error.value)[:60]
    assert production.written() == before


def test_a_planted_pickle_is_not_loaded_whoever_signed_it(
    production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    mark = tmp_path / "mark"
    evil = pickle.dumps(Marker(mark))
    model = parts_of(archive)["model/MLmodel"].decode()
    pickled = model.replace("serialization_format: skops", "serialization_format: cloudpickle")
    loader = model.replace("loader_module: mlflow.sklearn", "loader_module: mlflow.pyfunc.model")
    code = model.replace("    code: null\n", "    code: code\n")
    assert len({model, pickled, loader, code}) == 4

    def with_(**members: bytes) -> Path:
        return changed(archive, tmp_path / "evil", keys, **members)

    refused(production, with_(**{"model/model.skops": evil}), "does not fit here.*zip")
    refused(production, with_(**{"model/model.skops": evil, "model/MLmodel": pickled.encode()}), "Nothing was imported")
    refused(production, with_(**{"model/MLmodel": pickled.encode()}), "is not a skops model")
    refused(production, with_(**{"model/MLmodel": loader.encode()}), "something else than the skops file")
    refused(production, with_(**{"model/MLmodel": code.encode()}), "something else than the skops file")
    refused(production, with_(**{"model/MLmodel": b"!!python/object/apply:os.system ['true']"}), "does not fit here")
    refused(production, with_(**{"model/model.pkl": evil}), "is none that an export writes")
    assert not mark.exists()
    pickle.loads(evil)  # noqa: S301 - it does what it is there for
    assert mark.exists()


def test_an_estimator_of_types_that_nobody_trusts_is_not_loaded(
    production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    import skops.io

    skops.io.dump(Marker(tmp_path / "mark"), tmp_path / "model.skops")
    members = {"model/model.skops": (tmp_path / "model.skops").read_bytes()}
    refused(production, changed(archive, tmp_path / "evil", keys, **members), "not on the list of trusted ones")
    assert not (tmp_path / "mark").exists()


def test_a_model_that_unpacks_to_more_than_is_allowed_is_not_unpacked(
    production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("schema.json", bytes(20_000_000))
    evil = changed(archive, tmp_path / "evil", keys, **{"model/model.skops": (tmp_path / "bomb").read_bytes()})
    refused(production.having(archive_bytes=10_000_000), evil, "unpacks to 20,000,000 bytes")


def test_a_record_that_says_more_than_training_does_is_refused(
    production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    record = json.loads(parts_of(archive)["version.json"])

    def with_(**tags: str) -> Path:
        told = {**record, "tags": dict(sorted({**record["tags"], **tags}.items()))}
        content = (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()
        return changed(archive, tmp_path / "evil", keys, **{"version.json": content})

    refused(production, with_(**{"slipstream.verdict": "accepted"}), "the tag 'slipstream.verdict' is none")
    refused(production, with_(**{"slipstream.imported.registry": "x"}), "is none that training writes")
    refused(production, with_(**{"mlflow.user": "x"}), "is none that training writes")
    refused(production, with_(**{"slipstream.train_end": "soon"}), "does not fit here")
    refused(production, with_(**{"slipstream.seed": "one"}), "does not fit here")
    refused(production, with_(**{"slipstream.versions": "[]"}), "does not fit here")
    missing = {name: value for name, value in record["tags"].items() if name != "slipstream.as_of"}
    content = (json.dumps({**record, "tags": missing}, indent=1, sort_keys=True) + "\n").encode()
    refused(production, changed(archive, tmp_path / "evil", keys, **{"version.json": content}), "has no tag .*as_of")


def test_documents_that_are_not_what_they_should_be_are_refused(
    production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    verdict = json.loads(parts_of(archive)["verdict/verdict.json"])
    for name, content, words in (
        (
            "verdict/verdict.json",
            json.dumps({**verdict, "challenger": "7"}).encode(),
            "holds a verdict on moved version 7",
        ),
        ("verdict/verdict.json", b"{}", "does not fit here"),
        ("verdict/verdict.json", b"[" * 100_000, "does not fit here"),
        ("lineage.json", b'[{"table": 1}]', "does not fit here"),
        ("run/reference/reference.parquet", b"PAR1 not really PAR1", "does not fit here"),
        ("run/definition.json", b'{"name": "other"}', "does not fit here"),
        ("model/MLmodel", b"{}", "does not fit here"),
    ):
        refused(production, changed(archive, tmp_path / "evil", keys, **{name: content}), words)


def test_a_model_that_is_not_defined_here_is_named(production: Side, archive: Path) -> None:
    models = {name: each for name, each in production.definitions.models.items() if name != NAME}
    from dataclasses import replace

    elsewhere = replace(production, definitions=replace(production.definitions, models=models))
    refused(elsewhere, archive, "version 1 of moved from the staging registry, which is not defined here")


def test_a_model_whose_features_are_others_here_is_refused(production: Side, archive: Path) -> None:
    from dataclasses import replace

    def with_(**changes: Any) -> Side:
        model = production.model.model_copy(update=changes)
        models = {**production.definitions.models, NAME: model}
        return replace(production, definitions=replace(production.definitions, models=models))

    fewer = tuple(each for each in production.model.features if not each.endswith(":rush"))
    refused(with_(features=fewer), archive, "was trained on .*rush.*which the definition no longer has")
    refused(with_(task="regression"), archive, "It is for 'binary_classification', and the definition here for 'regr")
    view = production.definitions.view("order_facts")
    size = view.features["size"].model_copy(update={"type": "string"})
    views = {"order_facts": view.model_copy(update={"features": {**view.features, "size": size}})}
    typed = replace(production, definitions=replace(production.definitions, views=views))
    refused(typed, archive, "trained on order_facts__size as double, and the views here give string")


def test_production_takes_nothing_from_a_development_machine_nor_from_uncommitted_code(
    production: Side, staging: Side, promoted: str, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    dev = staging.having(environment="dev")
    export_version(NAME, promoted, tmp_path / "dev", lake=dev.lake, settings=dev.settings)
    refused(production, tmp_path / "dev", "takes versions from staging or another prod only")
    record = parts_of(archive)["version.json"].replace(b'code_version": "', b'code_version": "x-dirty')
    tag = json.loads(record)["tags"]["slipstream.code_version"]
    record = record.replace(tag.encode(), b"0123-dirty")
    dirty = changed(archive, tmp_path / "dirty", keys, **{"version.json": record})
    refused(production, dirty, "trained from code that nobody committed")
    assert bring(production.having(environment="staging"), dirty).version == "1"


def test_a_version_does_not_come_back_into_its_own_registry(staging: Side, archive: Path, keys: Keys) -> None:
    refused(staging.having(trusted_keys=keys.public), archive, "that is this very registry")


def test_a_version_without_a_verdict_is_not_exported(
    production: Side, archive: Path, keys: Keys, tmp_path: Path
) -> None:
    bring(production, archive)
    side = production.having(signing_key=keys.private)
    with pytest.raises(ArchiveError, match=r"was not judged here yet.*Trigger moved.promotion"):
        export_version(NAME, "1", tmp_path / "no", lake=side.lake, settings=side.settings)
    with pytest.raises(NotFoundError, match="version 9 is not in the registry"):
        export_version(NAME, "9", tmp_path / "no", lake=side.lake, settings=side.settings)
    assert not (tmp_path / "no").exists()


def test_productions_own_gate_judges_an_imported_version(full_production: Side, archive: Path) -> None:
    production, found = full_production, bring(full_production, archive)
    row = production.settle()

    assert (row.action, row.version, row.challenger) == ("promoted", found.version, found.version)
    assert row.verdict is not None
    assert row.verdict["comparison"]["versions"].keys() == {"raw/orders", "raw/outcomes", "features/order_facts"}
    assert champion(NAME, lake=production.lake) == row
    card = production.registry.document(found.run_id, "card.html") or ""
    assert "This version was imported from version 1 of the staging registry" in card
    assert "whose verdict was accepted" in card
    assert "those of the lake of the staging registry" in card
    assert production.registry.version(NAME, "champion") == found.version


def test_without_a_champion_the_verdict_that_came_with_it_may_promote_it(production: Side, archive: Path) -> None:
    found = bring(production, archive)
    row = promote_imported(production.model, found.version, **production.source)
    again = promote_imported(production.model, found.version, **production.source)

    assert (row.action, row.version, row.replaces, row.by) == ("promoted", "1", None, "ada")
    assert row.reason.startswith(f"It was {found.origin.sentence}. That verdict, not one of this side's gate: ")
    assert again == row
    assert len(ledger(NAME, lake=production.lake)) == 1
    assert production.registry.details(NAME, "1").aliases == ("champion",)
    assert production.registry.details(NAME, "1").verdict == "accepted"
    assert "promoted" in (production.registry.document(found.run_id, "card.html") or "")


def test_where_there_is_a_champion_the_own_gate_is_asked_first_and_its_word_holds(
    full_production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    production = full_production
    bring(production, archive)
    production.settle()
    second = bring(production, other(archive, tmp_path / "other", keys))
    with pytest.raises(VerdictError, match=r"has a champion here, version 1. Let this side's gate compare them"):
        promote_imported(production.model, second.version, **production.source)
    assert production.settle(second.version).action == "rejected"
    with pytest.raises(VerdictError, match=r"was rejected here by ada.*does not stand against that"):
        promote_imported(production.model, second.version, **production.source)
    assert [row.action for row in ledger(NAME, lake=production.lake)] == ["promoted", "rejected"]


def test_where_the_own_gate_finds_no_rows_the_imported_verdict_counts(
    production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    from slipstream.promotion import evaluate_gate, reject
    from slipstream.promotion.evaluation import plan

    bring(production, archive)
    promote_imported(production.model, "1", **production.source)
    second = bring(production, other(archive, tmp_path / "other", keys))
    planned = plan(production.model, present="1", settings=production.settings, as_of=None)
    from dataclasses import replace

    verdict = evaluate_gate(
        production.model, replace(planned, problem="There are no labels yet."), settings=production.settings
    )
    reject(production.model, verdict, lake=production.lake, settings=production.settings, run=production.run)
    row = promote_imported(production.model, second.version, **production.source)

    assert (row.version, row.replaces) == ("2", "1")
    assert [each.action for each in ledger(NAME, lake=production.lake)] == ["promoted", "undecided", "promoted"]


def test_a_verdict_that_came_with_a_version_never_stands_in_for_a_person(
    production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    found = bring(production, archive)
    approval = production.model.approval.model_copy(update={"required": True, "approvers": ("ada",)})
    model = production.model.model_copy(update={"approval": approval})
    with pytest.raises(VerdictError, match="wants a person's yes"):
        promote_imported(model, found.version, **production.source)
    verdict = json.loads(parts_of(archive)["verdict/verdict.json"])
    poor = {**verdict, "outcome": "rejected", "accepted": False, "reason": "It was worse."}
    path = changed(archive, tmp_path / "poor", keys, **{"verdict/verdict.json": json.dumps(poor).encode()})
    second = bring(production, path)
    assert second.notes == ("Its verdict there was rejected: It was worse.",)
    with pytest.raises(VerdictError, match=r"is not promoted by the verdict that came with it.*It was worse"):
        promote_imported(production.model, second.version, **production.source)
    assert ledger(NAME, lake=production.lake) == []


def test_a_version_that_was_trained_here_has_no_such_verdict(staging: Side, promoted: str, tmp_path: Path) -> None:
    from dataclasses import replace

    from slipstream.lake import Lake

    aside = replace(staging, lake=Lake.from_settings(staging.settings.model_copy(update={"lake": str(tmp_path)})))
    with pytest.raises(VerdictError, match="was trained here, so no verdict came with it"):
        promote_imported(aside.model, promoted, **aside.source)


def test_its_lineage_is_the_one_of_the_other_lake(
    production: Side, staging: Side, archive: Path, promoted: str
) -> None:
    found = bring(production, archive)
    there = trace(NAME, promoted, lake=staging.lake, settings=staging.settings)
    here = trace(NAME, found.version, lake=production.lake, settings=production.settings)

    assert here.tables == there.tables
    assert {each.table for each in here.tables} == {"raw/orders", "raw/outcomes", "features/order_facts"}
    assert here.origin == f"{found.origin.sentence}; the tables are in its lake"
    assert there.origin is None
    assert here.as_dict()["origin"]["environment"] == "staging"


def test_it_is_replayed_only_where_its_data_lives_and_its_code_is_not_run(
    production: Side, archive: Path, tmp_path: Path, keys: Keys
) -> None:
    mark = tmp_path / "mark"
    record = json.loads(parts_of(archive)["run/definition.json"])
    record["files"]["estimator.py"] = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n"
    path = changed(archive, tmp_path / "evil", keys, **{"run/definition.json": json.dumps(record).encode()})
    found = bring(production, path)

    replayed = replay_version(
        NAME, found.version, definitions=production.definitions, lake=production.lake, settings=production.settings
    )

    assert not replayed.ok
    last = replayed.findings[-1]
    assert (last.name, last.outcome) == ("training set", "impossible")
    assert "Its training set lives in the lake of that side" in last.sentence
    assert last.sentence.endswith("slipstream replay moved@1")
    assert not mark.exists()


def test_versions_of_the_other_lake_are_not_kept_in_this_one(production: Side, staging: Side, archive: Path) -> None:
    bring(production, archive)
    promote_imported(production.model, "1", **production.source)

    assert staging.registry.trained_on("raw/orders")[NAME]
    assert versions_to_keep("raw/orders", lake=production.lake, registry=production.registry) == set()


def test_an_erasure_does_not_take_its_tables_for_those_of_this_lake(
    production: Side, staging: Side, archive: Path, promoted: str
) -> None:
    @dataclass(frozen=True)
    class AllRows:
        """Rows of the person in every version of a table."""

        table: str
        files: tuple[str, ...] = ("a file",)

        def rows_at(self, *_: Any) -> int:
            return 3

    bring(production, archive)
    held: Any = [AllRows("raw/orders")]

    listed = trained_on(held, staging.registry, definitions=staging.definitions)
    assert (NAME, promoted) in [(each.model, each.version) for each in listed]
    assert trained_on(held, production.registry, definitions=production.definitions) == []


def test_a_registry_is_told_from_another(production: Side, staging: Side) -> None:
    again = Registry(f"{staging.settings.mlflow_tracking_uri}?x")

    assert production.registry.identity() != staging.registry.identity()
    assert staging.registry.identity() == Registry(staging.settings.mlflow_tracking_uri).identity()
    assert again.tracking_uri != staging.settings.mlflow_tracking_uri


def test_its_pages_are_those_of_the_other_side_until_it_has_its_own(
    full_production: Side, archive: Path, promoted: str
) -> None:
    from slipstream.promotion.recorded import last_verdict, page_of

    production, found = full_production, bring(full_production, archive)
    registry, source = production.registry, {"lake": production.lake, "settings": production.settings}
    details = registry.details(NAME, found.version)
    for path in ("verdict.html", "card.html"):
        page = page_of(details, path, registry=registry) or ""
        assert (
            f"<p><strong>moved version 1 was {found.origin.sentence}. This page is of that side.</strong></p>" in page
        )
    with pytest.raises(NotFoundError, match=r"There is no verdict on moved version 1.*It was imported from version 1"):
        last_verdict(NAME, version="1", **source)
    described = registry.client.get_model_version(NAME, "1").description
    assert described == f"It was {found.origin.sentence}."
    production.settle()
    assert "of that side" not in (page_of(details, "card.html", registry=registry) or "of that side")
    assert last_verdict(NAME, version="1", **source).verdict.challenger == found.version
