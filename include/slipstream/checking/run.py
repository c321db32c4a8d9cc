"""One check of everything below a definitions root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipstream.checking.findings import Findings
from slipstream.checking.report import CheckReport
from slipstream.definitions.loading import FOLDERS, read_root
from slipstream.definitions.problem import in_order
from slipstream.errors import DefinitionError

if TYPE_CHECKING:
    from slipstream.settings import Settings


def find_root(path: Path) -> Path:
    """Return the definitions root that ``path`` is, or has as ``include``.

    Raises:
        DefinitionError: It is neither.
    """
    for root in (path, path / "include"):
        if any((root / folder).is_dir() for folder in FOLDERS):
            return root
    folders = ", ".join(f"{folder}/" for folder in FOLDERS)
    message = (
        f"Wanted a project, or its include folder, with {folders}; found none of them in {path}. "
        "`slipstream new source NAME` makes the first one."
    )
    raise DefinitionError(message)


def check_definitions(root: Path, *, settings: Settings | None = None) -> CheckReport:
    """Check every definition below ``root``, each as far as it can be read.

    Runs the models' estimators, and the functions that say what a prediction is worth, on made-up rows; reads no data
    and writes nothing that stays.
    """
    from slipstream.checking.connectors import check_connectors
    from slipstream.checking.contracts import check_contracts
    from slipstream.checking.estimators import check_estimators
    from slipstream.checking.features import check_features
    from slipstream.checking.gate import check_gates
    from slipstream.checking.graph import check_inputs, check_starts
    from slipstream.checking.outputs import Outputs
    from slipstream.settings import get_settings

    reading = read_root(root)
    findings = Findings(root)
    check_inputs(reading, findings)
    check_starts(reading, findings)
    check_features(reading, findings)
    check_connectors(reading, findings)
    check_contracts(reading, findings)
    Outputs(reading, findings, settings or get_settings()).check()
    check_estimators(reading, findings)
    check_gates(reading, findings)
    counts = {
        "sources": len(reading.names["sources"]),
        "views": len(reading.names["features"]),
        "models": len(reading.names["models"]),
    }
    return CheckReport(root, counts, tuple(in_order([*reading.problems, *findings.problems])))
