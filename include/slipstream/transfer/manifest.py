"""What an archive says of itself: the manifest, which is signed, and the record of the version's tags and run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from slipstream.errors import ArchiveError
from slipstream.promotion.recording import CARD_PAGE, CARD_TEXT, DOCUMENT, REPORT
from slipstream.promotion.registry import DEFINITION, REFERENCE

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MODEL, RUN, JUDGED = "model/", "run/", "verdict/"
RECORD, LINEAGE = "version.json", "lineage.json"

MODEL_FILES = ("MLmodel", "model.skops")
"""What every model in the registry has; the others tell MLflow's own tools about it."""
MORE_MODEL_FILES = (
    "conda.yaml",
    "input_example.json",
    "python_env.yaml",
    "requirements.txt",
    "serving_input_example.json",
)
PAGES = (DOCUMENT, REPORT, CARD_PAGE, CARD_TEXT)
REQUIRED = (
    RECORD,
    LINEAGE,
    *(f"{MODEL}{name}" for name in MODEL_FILES),
    *(f"{RUN}{name}" for name in (DEFINITION, REFERENCE)),
    *(f"{JUDGED}{name}" for name in PAGES),
)
ALLOWED = {*REQUIRED, *(f"{MODEL}{name}" for name in MORE_MODEL_FILES)}
CURVES = "curves"
CURVE = re.compile(rf"{RUN}{CURVES}/[a-z0-9_]+\.png")

TAG = re.compile(r"slipstream\.(run\.|library\.)?[a-z_-]{1,40}")
SETTLED_HERE = ("key", "role", "verdict", "verdict_digest", "verdict_reason", "approval")
"""Tags that each registry writes for itself."""


class Part(BaseModel):
    """Strict and closed: what an archive says beyond this is not read, but refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    def as_bytes(self) -> bytes:
        """Return it as JSON, the same bytes each time."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes, *, what: str) -> Self:
        """Read ``as_bytes`` back; ArchiveError for any other bytes."""
        try:
            found = cls.model_validate_json(content)
        except (ValidationError, RecursionError) as error:
            told = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "it is too deep"}
            where = ".".join(str(each) for each in told["loc"])
            message = (
                f"The archive's {what} is not what this version of Slipstream writes: {where or what}: {told['msg']}."
            )
            raise ArchiveError(message) from error
        if found.as_bytes() != content:
            message = f"The archive's {what} is not written as Slipstream writes it. Export the version again."
            raise ArchiveError(message)
        return found


class Member(Part):
    """A file of the archive."""

    name: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Source(Part):
    """Where the version was registered."""

    registry: str = Field(pattern=r"^[0-9a-f]{12}$")
    environment: Literal["dev", "staging", "prod"]
    run_id: str = Field(pattern=r"^[0-9a-zA-Z_-]{1,64}$")


class Manifest(Part):
    """The first file of an archive, which names all others; its bytes are what is signed."""

    format: Literal[1] = 1
    model: str = Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")
    version: str = Field(pattern=r"^[1-9][0-9]{0,8}$")
    slipstream: str = Field(max_length=100)
    source: Source
    members: tuple[Member, ...]

    @model_validator(mode="after")
    def _names(self) -> Self:
        """Hold the names to those that an export writes: no other place can be named, nor one twice."""
        names = [each.name for each in self.members]
        for name in names:
            if name not in ALLOWED and not CURVE.fullmatch(name):
                message = f"the member {name!r} is none that an export writes"
                raise ValueError(message)
        if names != sorted(set(names)):
            message = "members are named twice, or not in order"
            raise ValueError(message)
        if missing := [name for name in REQUIRED if name not in names]:
            message = f"these members are missing: {', '.join(missing)}"
            raise ValueError(message)
        return self

    @property
    def key(self) -> str:
        """What the version is found by in the registry that imports it: the same content gives the same."""
        return f"import-{hashlib.sha256(self.as_bytes()).hexdigest()[:32]}"


class Record(Part):
    """What registry and run say of the version, in MLflow's words.

    Attributes:
        dataset: The training set as the run says it: ``name``, ``digest``, ``source``, …; empty where it does not.
    """

    tags: Mapping[str, str]
    run_tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    dataset: Mapping[str, str]

    @model_validator(mode="after")
    def _own_tags(self) -> Self:
        for name in (*self.tags, *self.run_tags):
            if not is_carried(name):
                message = f"the tag {name!r} is none that training writes"
                raise ValueError(message)
        return self


def is_carried(tag: str) -> bool:
    """Say whether a tag goes with a version from one registry to the other."""
    return bool(TAG.fullmatch(tag)) and tag.removeprefix("slipstream.") not in SETTLED_HERE
