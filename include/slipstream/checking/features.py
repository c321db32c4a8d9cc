"""A model's ``view:feature`` names and key mapping, against the views that there are."""

from __future__ import annotations

from slipstream.checking.findings import Findings
from slipstream.definitions import Model, View
from slipstream.definitions.loading import Reading
from slipstream.definitions.problem import nearest

_NOT_FOR_ESTIMATORS = ("timestamp", "date")


def check_features(reading: Reading, findings: Findings) -> None:
    """Find features and views that do not exist, and features that no estimator takes."""
    views, names = reading.usable.views, sorted(reading.names["features"])
    for model in reading.usable.models.values():
        for position, feature in enumerate(model.features):
            path = ("features", str(position))
            view, _, name = feature.partition(":")
            if view not in names:
                _add_unknown_view(model, path, feature, reading, findings)
            elif view in views:
                _check_feature(model, path, views[view], name, findings)
        _check_keys(model, reading, findings)


def _add_unknown_view(model: Model, path: tuple[str, ...], feature: str, reading: Reading, findings: Findings) -> None:
    names, (view, _, name) = sorted(reading.names["features"]), feature.partition(":")
    close = nearest(view, names)
    owners = [each.name for each in reading.usable.views.values() if name in each.features]
    meant = close if close in owners or not owners else owners[0] if close is None else close
    allowed = [f"{meant}:{name}"] if meant in owners else names
    message = f"There is no view {view!r}; there are {', '.join(names) or 'none'}."
    findings.add(model, path, message, found=feature if meant in owners else view, allowed=allowed)


def _check_feature(model: Model, path: tuple[str, ...], view: View, name: str, findings: Findings) -> None:
    if name not in view.features:
        allowed = [f"{view.name}:{each}" for each in view.features]
        message = f"The view {view.name!r} has no feature {name!r}; it has {', '.join(view.features)}."
        findings.add(model, path, message, found=f"{view.name}:{name}", allowed=allowed)
    elif view.features[name].type in _NOT_FOR_ESTIMATORS:
        message = (
            f"{name!r} is a {view.features[name].type}; an estimator takes numbers, booleans and strings. "
            "Give an age or a part of it in the view's SQL."
        )
        findings.add(model, path, message, found=view.features[name].type)


def _check_keys(model: Model, reading: Reading, findings: Findings) -> None:
    sound = set(model.views) <= reading.names["features"]
    for name, mapping in model.keys.items():
        if sound and name not in model.views:
            message = f"No feature of this model is of the view {name!r}; they are of {', '.join(model.views)}."
            findings.add(model, ("keys", name), message, found=name, allowed=model.views)
            continue
        view = reading.usable.views.get(name)
        for entity in mapping if view else ():
            if view and entity not in view.entity:
                message = f"The view {name!r} has no entity column {entity!r}; it has {', '.join(view.entity)}."
                findings.add(model, ("keys", name, entity), message, found=entity, allowed=view.entity)
