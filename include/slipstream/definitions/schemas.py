"""JSON schemas of the definition files, for editors: ``python -m slipstream.definitions.schemas [FOLDER]``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from slipstream.definitions.base import spell_duration
from slipstream.definitions.model import Model
from slipstream.definitions.policy import Policy
from slipstream.definitions.source import Contract, Source
from slipstream.definitions.view import View

FOLDER = Path("docs/reference/schemas")
_FILES: Mapping[str, type[BaseModel]] = {
    "source": Source,
    "expectations": Contract,
    "view": View,
    "model": Model,
    "policy": Policy,
}


class _Plain(GenerateJsonSchema):
    """Defaults as a file would spell them: ``1d``, not ``P1D``."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return spell_duration(dft)
        return dft.model_dump(mode="json") if isinstance(dft, BaseModel) else super().encode_default(dft)


def schemas() -> dict[str, dict[str, Any]]:
    """Return file name to JSON schema (draft 2020-12)."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        f"{name}.json": {**draft, **kind.model_json_schema(schema_generator=_Plain), "title": f"{name}.yaml"}
        for name, kind in _FILES.items()
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write each schema into ``folder`` and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        (folder / name).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(folder / name)
    return written


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
