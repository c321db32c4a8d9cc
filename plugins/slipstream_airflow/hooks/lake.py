"""The lake behind an Airflow connection, or behind the settings where there is none."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from slipstream_airflow.hooks.optional import find_connection

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from slipstream.lake import Lake
    from slipstream.settings import Settings


class LakeHook(BaseHook):
    """Open the lake of a connection of type ``lake``.

    The extra field ``root`` is a folder or ``s3://bucket/prefix``; ``endpoint_url`` and ``allow_http`` name an S3
    server other than Amazon's. Keys of the object store come from the usual ``AWS_*`` variables. What the connection
    leaves open, and everything where ``lake_default`` does not exist, the ``SLIPSTREAM_*`` settings say.
    """

    conn_name_attr = "lake_conn_id"
    default_conn_name = "lake_default"
    conn_type = "lake"
    hook_name = "Slipstream lake"

    def __init__(self, lake_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.lake_conn_id = lake_conn_id

    @cached_property
    def connection(self) -> Connection | None:
        """The connection; None where the default one does not exist."""
        return find_connection(self.lake_conn_id, default=self.default_conn_name)

    @cached_property
    def settings(self) -> Settings:
        """The settings of this process with the connection's lake in them."""
        from slipstream.settings import get_settings

        settings = get_settings()
        extra: dict[str, Any] = self.connection.extra_dejson if self.connection else {}
        root = str(extra.get("root") or settings.lake).rstrip("/")
        found: dict[str, Any] = {"lake": root}
        for name in ("staging", "reports"):
            place = getattr(settings, name)
            found[name] = root + place.removeprefix(settings.lake) if place.startswith(f"{settings.lake}/") else place
        if extra.get("endpoint_url"):
            found["s3_endpoint_url"] = str(extra["endpoint_url"])
        if extra.get("allow_http") is not None:
            found["s3_allow_http"] = str(extra["allow_http"]).lower() in ("true", "1")
        return settings.model_copy(update=found)

    @cached_property
    def lake(self) -> Lake:
        from slipstream.lake import Lake

        return Lake.from_settings(self.settings)

    def get_conn(self) -> Lake:
        return self.lake

    def test_connection(self) -> tuple[bool, str]:
        """Look into the lake; what is wrong comes back as a message."""
        try:
            tables = self.lake.tables()
        except Exception as error:
            return False, f"{type(error).__name__}: {error}"
        return True, f"{self.lake.root} holds {len(tables)} table(s)."
