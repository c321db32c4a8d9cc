"""Where a version came from that was trained behind another registry: what its tags say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

_TAGS = "slipstream.imported."
FOLDER = "imported"
"""Of the run's artifacts: what came with the version and is not its own, such as the other registry's verdict."""

_SHORT = 12  # digits of a digest that are shown to a person


@dataclass(frozen=True)
class Origin:
    """The registry that a version was exported from.

    Attributes:
        registry: See ``Registry.identity``.
        environment: What that registry's side calls itself: ``dev``, ``staging`` or ``prod``.
        version: Its number there.
        archive: SHA-256 of the archive's file.
        key: Fingerprint of the key that signed it.
        verdict: Outcome of the last verdict there.
    """

    registry: str
    environment: str
    version: str
    archive: str
    key: str
    verdict: str

    @property
    def place(self) -> str:
        """The other side in a few words."""
        return f"the {self.environment} registry {self.registry}"

    @property
    def sentence(self) -> str:
        """All of it in a few words, to follow the name of the version here."""
        return (
            f"imported from version {self.version} of {self.place}, whose verdict was {self.verdict} "
            f"(archive {self.archive[:_SHORT]}, key {self.key[:_SHORT]})"
        )

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

    def as_tags(self) -> dict[str, str]:
        """Return the tags of the version and of its run that say the same."""
        return {f"{_TAGS}{name}": value for name, value in asdict(self).items()}

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Origin | None:
        """Return what the tags of a version or a run say; None for one that was trained here."""
        names = [each.name for each in fields(cls)]
        if f"{_TAGS}registry" not in tags:
            return None
        return cls(**{name: tags.get(f"{_TAGS}{name}", "unknown") for name in names})


def is_imported(tags: Mapping[str, str]) -> bool:
    """Say whether a version or a run with these tags was trained elsewhere, so that its lake versions are not ours."""
    return f"{_TAGS}registry" in tags
