"""Every candidate of every model: does it build, and does it fit and predict on a few made-up rows?"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from slipstream.checking.findings import Findings, readable
from slipstream.definitions import Model
from slipstream.definitions.loading import Reading
from slipstream.definitions.problem import shown
from slipstream.errors import DefinitionError

if TYPE_CHECKING:
    import pandas as pd

ROWS = 60
FIT_SECONDS = 5.0  # for all candidates of a model; the first is always fitted, and every one is built
FILE = "estimator.py"


def check_estimators(reading: Reading, findings: Findings) -> None:
    """Find candidates that do not build, clone, fit or predict."""
    for model in reading.usable.models.values():
        text = readable(findings, model, FILE, ())
        if text is None or not _compiles(model, text, findings):
            continue
        try:
            _load(model)
        except (DefinitionError, SystemExit) as error:
            findings.add_text(model, FILE, (), str(error), line=_line_in(error))
            continue
        _check_candidates(model, reading, findings)


def _compiles(model: Model, text: str, findings: Findings) -> bool:
    try:
        compile(text, FILE, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        findings.add_text(model, FILE, (), f"It is not Python: {error}.", line=line)
        return False
    return True


def _load(model: Model) -> None:
    from slipstream.training.estimator import load_build

    load_build(model)


def _check_candidates(model: Model, reading: Reading, findings: Findings) -> None:
    from slipstream.training.estimator import build_estimator

    frame = _made_up_rows(model, reading)
    deadline = time.monotonic() + FIT_SECONDS
    said: set[str] = set()
    for index, params in enumerate(model.training.grid()):
        try:
            estimator = build_estimator(model, params)
            if frame is not None and (index == 0 or time.monotonic() < deadline):
                _try_out(model, estimator, frame)
        except (Exception, SystemExit) as error:  # the team's code may raise anything
            cause = error.__cause__ or error
            reason = " ".join(f"{type(cause).__name__}: {cause}".split())
            if isinstance(error, DefinitionError) and error.__cause__ is None:
                reason = str(error)
            if reason not in said:
                said.add(reason)
                message = f"Candidate {index}, {shown(params)}: {reason}"
                findings.add_text(model, FILE, ("training", "candidates"), message, line=_line_in(error))


def _try_out(model: Model, estimator: Any, frame: pd.DataFrame) -> None:
    from sklearn.base import clone

    from slipstream.attribution import refusal

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clone(estimator)
        label = [row % 2 for row in range(ROWS)]
        fitted = estimator.fit(frame, label if model.task == "binary_classification" else [float(x) for x in label])
        scores = (fitted.predict_proba if model.task == "binary_classification" else fitted.predict)(frame)
    wanted = (ROWS, 2) if model.task == "binary_classification" else (ROWS,)
    if tuple(getattr(scores, "shape", ())) != wanted:
        message = f"wanted predictions of shape {wanted} for {ROWS} rows, found {getattr(scores, 'shape', None)}"
        raise ValueError(message)
    reason = refusal(fitted) if model.scoring.explain else None
    if reason:
        message = (
            f"Its scores cannot be explained, which scoring.explain asks for: {reason}. Choose such trees, or remove "
            "scoring.explain."
        )
        raise DefinitionError(message)


def _made_up_rows(model: Model, reading: Reading) -> pd.DataFrame | None:
    """Return rows with the model's features, as training would give them; None where a feature is not known."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for feature in model.features:
        owner, _, name = feature.partition(":")
        view = reading.usable.views.get(owner)
        if view is None or name not in view.features or view.features[name].type in ("timestamp", "date"):
            return None
        values: list[Any] = [float((7 * row + len(columns)) % 13) for row in range(ROWS)]
        if view.features[name].type == "string":
            values = [f"word {row % 3}" for row in range(ROWS)]
        columns[feature.replace(":", "__")] = pd.Series(values, dtype=object if isinstance(values[0], str) else float)
    return pd.DataFrame(columns)


def _line_in(error: BaseException) -> int | None:
    """Return the line of the team's own file that an error came from."""
    lines = []
    cause: BaseException | None = error
    while cause is not None:
        trace = cause.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename.endswith(FILE) and trace.tb_frame.f_globals.get("build"):
                lines.append(trace.tb_lineno)
            trace = trace.tb_next
        cause = cause.__cause__
    return lines[-1] if lines else None
