"""The assets that carry lineage and control signals between the DAGs; the lake, not an event, says what is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetWatcher

from slipstream_airflow.triggers.retrain import RetrainTrigger

if TYPE_CHECKING:
    from slipstream.definitions import Model, Source, View


def raw_asset(source: Source) -> Asset:
    """Return ``slipstream://raw/<source>``: an interval of a source was published."""
    return Asset(f"slipstream://{source.table}")


def features_asset(view: View) -> Asset:
    """Return ``slipstream://features/<view>``: an interval of a view was materialised."""
    return Asset(f"slipstream://{view.table}")


def challenger_asset(model: Model) -> Asset:
    """Return ``slipstream://<model>/challenger``: a challenger was registered; starts the promotion."""
    return Asset(f"slipstream://{model.name}/challenger")


def champion_asset(model: Model) -> Asset:
    """Return ``slipstream://<model>/champion``: the champion changed."""
    return Asset(f"slipstream://{model.name}/champion")


def predictions_asset(model: Model) -> Asset:
    """Return ``slipstream://<model>/predictions``: an interval was scored."""
    return Asset(f"slipstream://{model.name}/predictions")


def monitoring_asset(model: Model) -> Asset:
    """Return ``slipstream://<model>/monitoring``: an interval was judged."""
    return Asset(f"slipstream://{model.name}/monitoring")


def retrain_asset(model: Model) -> Asset:
    """Return ``slipstream://<model>/retrain``: starts a training; the triggerer watches the lake for it."""
    watcher = AssetWatcher(name=f"{model.name}_retrain", trigger=RetrainTrigger(model=model.name))
    return Asset(f"slipstream://{model.name}/retrain", watchers=[watcher])
