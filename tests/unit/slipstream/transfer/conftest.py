"""Two registries: a version that staging trained and judged, its archive, and an empty production that trusts it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from slipstream.definitions import Definitions, Model, load_definitions
from slipstream.intervals import utc
from slipstream.lake import Lake, Run
from slipstream.promotion import LedgerRow, Registry, decide, settle
from slipstream.settings import Settings
from slipstream.transfer import Exported, export_version

NAME, NOW = "moved", utc("2013-02-10")


@dataclass(frozen=True)
class Keys:
    """A pair of files, and the key itself."""

    private: Path
    public: Path
    key: Ed25519PrivateKey

    @classmethod
    def make(cls, folder: Path, name: str) -> Keys:
        key = Ed25519PrivateKey.generate()
        private, public = folder / f"{name}.pem", folder / f"{name}.pub"
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return cls(private, public, key)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.make(tmp_path_factory.mktemp("keys"), "staging")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.make(tmp_path_factory.mktemp("keys"), "stranger")


@pytest.fixture(scope="session")
def moving(shop_definitions: Definitions, tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    """Give the shop's definitions with a model that no other test trains, in a folder of its own."""
    root = tmp_path_factory.mktemp("moving") / "include"
    shutil.copytree(shop_definitions.root, root)
    (root / "models" / "churn").rename(root / "models" / NAME)
    path = root / "models" / NAME / "model.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("name: churn", f"name: {NAME}"), encoding="utf-8")
    return load_definitions(root)


@dataclass(frozen=True)
class Side:
    """One side: its registry, its lake and its definitions."""

    definitions: Definitions
    settings: Settings
    lake: Lake
    run: Run

    @property
    def model(self) -> Model:
        return self.definitions.model(NAME)

    @property
    def registry(self) -> Registry:
        return Registry.from_settings(self.settings)

    @property
    def source(self) -> dict[str, Any]:
        return {"definitions": self.definitions, "lake": self.lake, "settings": self.settings, "run": self.run}

    def having(self, **changes: Any) -> Side:
        """Return the same side with other settings."""
        return replace(self, settings=self.settings.model_copy(update=changes))

    def settle(self, version: str | None = None) -> LedgerRow:
        """Let the gate decide about a version, by default the challenger, and write what follows."""
        source = {name: value for name, value in self.source.items() if name != "run"}
        verdict = decide(self.model, challenger=version, **source)
        return settle(self.model, verdict, lake=self.lake, settings=self.settings, run=self.run)

    def written(self) -> dict[str, Any]:
        """Return all that an import could write to the registry, to see that it did not."""
        client = self.registry.client
        experiments = sorted(each.experiment_id for each in client.search_experiments())
        return {
            "experiments": experiments,
            "runs": sorted(each.info.run_id for each in client.search_runs(experiments)),
            "models": sorted(each.model_id for each in client.search_logged_models(experiments)),
            "versions": self.registry.versions(NAME),
            "challenger": self.registry.version(NAME, "challenger"),
        }


def side(definitions: Definitions, root: Path, store: str, **settings: Any) -> Side:
    found = Settings(
        project=root, home=root / "home", definitions=definitions.root, mlflow_tracking_uri=store, **settings
    )
    run = Run(dag_id="local", run_id=root.name, task_id="task", by="ada")
    return Side(definitions, found, Lake.from_settings(found), run)


@pytest.fixture(scope="session")
def staging(
    moving: Definitions, stocked: Path, tmp_path_factory: pytest.TempPathFactory, mlflow_store: str, keys: Keys
) -> Side:
    """Give the side whose version 1 was promoted; its lake is the session's, so nothing is added to it."""
    root = tmp_path_factory.mktemp("staging")
    (root / "home").mkdir()
    shutil.copytree(stocked / "home" / "lake", root / "home" / "lake")
    return side(moving, root, mlflow_store, environment="staging", signing_key=keys.private)


@pytest.fixture(scope="session")
def promoted(staging: Side) -> str:
    """Give the version that staging trained from its lake, judged and made its champion."""
    from slipstream.training import train

    found = train(staging.model, NOW, **staging.source)
    staging.settle()
    return found.version


@pytest.fixture(scope="session")
def exported(staging: Side, promoted: str, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    target = tmp_path_factory.mktemp("archive") / "moved.slipstream"
    return export_version(NAME, promoted, target, lake=staging.lake, settings=staging.settings)


@pytest.fixture
def archive(exported: Exported) -> Path:
    return Path(exported.file)


@pytest.fixture
def production(moving: Definitions, empty_store: Path, tmp_path: Path, keys: Keys) -> Side:
    """Give a side with an empty registry and an empty lake, which trusts staging's key."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    return side(moving, tmp_path, f"sqlite:///{tmp_path}/mlflow.db", environment="prod", trusted_keys=keys.public)


@pytest.fixture
def full_production(production: Side, stocked: Path) -> Side:
    """Give production with a lake of its own that got the same batches as staging's."""
    shutil.copytree(stocked / "home" / "lake", production.settings.home / "lake")
    return production
