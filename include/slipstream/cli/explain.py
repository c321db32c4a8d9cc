"""``slipstream explain``: why one prediction is what it is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slipstream.cli.common import AsJson, console, print_json, print_table, project
from slipstream.intervals import iso, utc

if TYPE_CHECKING:
    from slipstream.scoring import Explanation


def explain(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    *,
    key: Annotated[list[str], typer.Option("--key", help="COLUMN=VALUE, once for each column of the model's key.")],
    at: Annotated[
        str | None,
        typer.Option(help="A day or time, UTC: search only the scoring interval that holds it. Default: the newest."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show every feature, computed anew also where reasons are stored.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the way from baseline to score into this file, .png or .svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the reasons of one prediction: what each feature added to the score or took from it."""
    from slipstream import scoring
    from slipstream.scoring.waterfall import FORMATS, draw_waterfall

    if picture is not None and picture.suffix.lower().lstrip(".") not in FORMATS:
        message = f"Wanted a picture that ends with .{' or .'.join(FORMATS)}; found {picture}."
        raise typer.BadParameter(message, param_hint="--picture")
    here = project()
    source: dict[str, Any] = {"definitions": here.definitions, "lake": here.lake, "settings": here.settings}
    definition = here.definitions.model(model)
    wanted = _key(key, definition.key)
    found = scoring.explain_prediction(definition, wanted, at=utc(at) if at else None, every=every, **source)
    if picture is not None:
        draw_waterfall(found, picture)
    if as_json:
        print_json({**found.as_dict(), "picture": str(picture) if picture else None})
        return
    _print(found)
    if picture is not None:
        console.print(f"Drawn into {picture}.", markup=False, highlight=False)


def _key(words: list[str], columns: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    found = {name: value for name, _, value in pairs}
    if not all(equals for _, equals, _ in pairs) or set(found) != set(columns) or len(found) != len(pairs):
        message = f"Wanted {' '.join(f'--key {name}=VALUE' for name in columns)}; found {' '.join(words)}."
        raise typer.BadParameter(message, param_hint="--key")
    return found


def _print(found: Explanation) -> None:
    from slipstream.attribution import UNITS
    from slipstream.scoring.waterfall import spell_stored

    named = ", ".join(f"{name}={value}" for name, value in found.key.items())
    lines = [
        f"{found.model} version {found.version} gave {named} {_score(found)} for {iso(found.prediction_time)}.",
        f"It begins at the baseline {found.baseline:+.4f}{_means(found, found.baseline)}, the same for every row, "
        f"and ends at {found.margin:+.4f}{_means(found, found.margin)}.",
    ]
    if found.predictions > 1:
        lines.append(f"It is the newest of {found.predictions} predictions of this key; --at asks for another.")
    for line in lines:
        console.print(line, markup=False, highlight=False)
    parts = [(each.feature, spell_stored(each.value), each.contribution) for each in found.reasons]
    parts.append(("all other features", "", found.others))
    rows = [{"feature": feature, "value": value, **_change(found, change)} for feature, value, change in parts]
    print_table("Reasons, the largest first", rows, empty="")
    how = "stored with the prediction" if found.stored else "computed anew from the version and the features of then"
    line = f"Contributions add up in {UNITS[found.unit]}. They were {how}."
    console.print(line, markup=False, highlight=False)


def _score(found: Explanation) -> str:
    chance = found.unit in ("log-odds", "chance")
    return f"a chance of {found.score:.4f}" if chance else f"the prediction {found.score:.6g}"


def _means(found: Explanation, value: float) -> str:
    if found.unit == "log-odds":
        return f" log-odds (a chance of {1 / (1 + math.exp(-value)):.4f})" if abs(value) < 700 else " log-odds"
    return f" (a prediction of {math.exp(value):.6g})" if found.unit == "log of the prediction" else ""


def _change(found: Explanation, contribution: float) -> dict[str, str]:
    told = {"contribution": f"{contribution:+.4f}"}
    if found.unit in ("log-odds", "log of the prediction"):
        what = "odds times" if found.unit == "log-odds" else "prediction times"
        told[what] = f"{math.exp(min(contribution, 700)):.3g}"
    return told
