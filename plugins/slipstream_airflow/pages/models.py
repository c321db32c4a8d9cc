"""The Models page: all models that the reader may see, and one model's story."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import HTTPException, Query
from fastapi.responses import HTMLResponse

from slipstream_airflow.generation import sound_definitions
from slipstream_airflow.hooks.lake import LakeHook
from slipstream_airflow.hooks.tracking import MlflowHook
from slipstream_airflow.pages.access import UNKNOWN, visible_models
from slipstream_airflow.pages.asking import asking
from slipstream_airflow.pages.drawing import drawings
from slipstream_airflow.pages.facts import next_runs, waiting_approvals
from slipstream_airflow.pages.rendering import page
from slipstream_airflow.pages.versions import NUMBER

if TYPE_CHECKING:
    from slipstream.definitions import Definitions, Model
    from slipstream.lake import Lake
    from slipstream.overview import Aliases
    from slipstream.promotion import Registry
    from slipstream.settings import Settings

SPANS = (30, 90, 365)
Days = Annotated[int, Query(ge=1, le=1100)]


class Here:
    """What a page reads from, each opened when first asked for."""

    @cached_property
    def definitions(self) -> Definitions:
        return sound_definitions()

    @cached_property
    def lake_hook(self) -> LakeHook:
        return LakeHook()

    @property
    def lake(self) -> Lake:
        return self.lake_hook.lake

    @property
    def settings(self) -> Settings:
        return self.lake_hook.settings

    @cached_property
    def mlflow(self) -> MlflowHook:
        return MlflowHook()

    @cached_property
    def aliases(self) -> Aliases | None:
        from slipstream.errors import SettingsError

        try:
            return asking.aliases(self.mlflow.registry)
        except SettingsError:
            return None

    @property
    def registry(self) -> Registry | None:
        """The registry; None where it did not answer the question for the aliases."""
        return None if self.aliases is None else self.mlflow.registry

    @property
    def mlflow_address(self) -> str | None:
        """MLflow's address for links; None where it is a store without a server, or unknown."""
        from slipstream.errors import SettingsError

        try:
            address = self.mlflow.address
        except SettingsError:
            return None
        return address if address.startswith(("http://", "https://")) else None

    def model(self, name: str) -> Model:
        """Return a model's definition; 404 where there is none, or it is broken."""
        found = self.definitions.models.get(name)
        if found is None:
            raise HTTPException(404, UNKNOWN)
        return found


async def overview_page(user: GetUserDep) -> HTMLResponse:
    """Show a row for each model whose deciding DAG the user may see."""
    return await asyncio.to_thread(_overview, user, None)


async def model_page(model: str, days: Days = 90) -> HTMLResponse:
    """Show one model: its champions, how well it does, how far its inputs drifted, and what it is made of."""
    return await asyncio.to_thread(_model, model, days)


async def lineage_page(model: str, version: str) -> HTMLResponse:
    """Show what a version was made of, as far down as the registry and the lake tell."""
    return await asyncio.to_thread(_lineage, model, _number(version))


async def restore_page(model: str, version: str) -> HTMLResponse:
    """Show the form that makes an earlier champion the champion again; Airflow asks for the right to start it."""
    return await asyncio.to_thread(_restore, model, _number(version))


async def dag_page(dag_id: str, user: GetUserDep) -> HTMLResponse:
    """Show, in the tab of a DAG, its model, or the models that what it writes goes into."""
    return await asyncio.to_thread(_dag, dag_id, user)


def _overview(user: Any, chosen: Sequence[str] | None, about: str = "") -> HTMLResponse:
    from slipstream.overview import overview

    here = Here()
    names = here.definitions.models if chosen is None else chosen
    seen = visible_models(names, user)
    found = [here.definitions.models[name] for name in sorted(seen)]
    rows = overview(found, lake=here.lake, aliases=here.aliases)
    return page(
        "overview.html",
        rows=rows,
        next_runs=next_runs(seen),
        waiting=waiting_approvals(seen),
        defined=len(here.definitions.models),
        mlflow_answers=here.aliases is not None,
        about=about,
    )


def _model(name: str, days: int) -> HTMLResponse:
    from slipstream.overview import model_details

    here = Here()
    model = here.model(name)
    details = model_details(
        model,
        definitions=here.definitions,
        lake=here.lake,
        registry=here.registry,
        aliases=here.aliases,
        days=days,
    )
    return page(
        "model.html",
        details=details,
        pictures=drawings(details),
        runs=next_runs([name]).get(name, []),
        waiting=waiting_approvals([name]).get(name, 0),
        mlflow=here.mlflow_address,
        mlflow_answers=here.aliases is not None,
        days=days,
        spans=SPANS,
    )


def _lineage(name: str, version: str) -> HTMLResponse:
    from slipstream.errors import NotFoundError, RetriableError, SettingsError
    from slipstream.overview import lineage

    here = Here()
    settings = here.settings
    try:
        settings = settings.model_copy(update={"mlflow_tracking_uri": here.mlflow.tracking_uri})
        found = lineage(name, version, lake=here.lake, settings=settings)
    except NotFoundError as error:
        raise HTTPException(404, str(error)) from error
    except (RetriableError, SettingsError) as error:
        message = "MLflow does not answer, so the lineage cannot be read. Try again in a minute."
        raise HTTPException(503, message) from error
    return page("lineage.html", model=name, lineage=found)


def _restore(name: str, version: str) -> HTMLResponse:
    from slipstream.overview import decisions, reigns

    here = Here()
    held = reigns(decisions(lake=here.lake).get(here.model(name).name, ()))
    if version not in {each.version for each in held[:-1]} or version == held[-1].version:
        message = f"Version {version} of {name} is no earlier champion. `slipstream ledger {name}` lists them."
        raise HTTPException(404, message)
    return page("restore.html", model=name, version=version, champion=held[-1])


def _dag(dag_id: str, user: Any) -> HTMLResponse:
    from slipstream.overview import sources_feeding, views_feeding

    here = Here()
    name, _, stage = dag_id.rpartition(".")
    if name in here.definitions.models:
        if name not in visible_models([name], user):
            raise HTTPException(403, "Forbidden")
        return _model(name, 90)
    models = here.definitions.models.values()
    feeding = {"ingestion": sources_feeding, "features": views_feeding}.get(stage)
    uses = [each.name for each in models if feeding and name in feeding(each, definitions=here.definitions)]
    about = (
        f"Models that are made with what {dag_id} writes." if uses else f"No model is made with what {dag_id} writes."
    )
    return _overview(user, uses, about)


def _number(version: str) -> str:
    if not NUMBER.fullmatch(version):
        raise HTTPException(404, UNKNOWN)
    return version
