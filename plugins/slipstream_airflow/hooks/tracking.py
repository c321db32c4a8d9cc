"""MLflow behind an Airflow connection, or behind the settings where there is none."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from slipstream.secrecy import without_logins
from slipstream_airflow.hooks.optional import find_connection

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from slipstream.promotion import Registry


class MlflowHook(BaseHook):
    """Speak to the MLflow server of a connection of type ``mlflow``.

    Host (with its scheme), port and schema (a path behind the host) make the address; login and password are for a
    server that wants them. Where ``mlflow_default`` does not exist, the ``SLIPSTREAM_*`` settings say where it is.
    """

    conn_name_attr = "mlflow_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, mlflow_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mlflow_conn_id = mlflow_conn_id

    @cached_property
    def connection(self) -> Connection | None:
        """The connection; None where the default one does not exist."""
        return find_connection(self.mlflow_conn_id, default=self.default_conn_name)

    @cached_property
    def address(self) -> str:
        """The server's address without any password."""
        connection = self.connection
        if connection is None or not connection.host:
            return without_logins(_settings_uri())
        scheme, found, place = without_logins(connection.host).rpartition("://")
        port = f":{connection.port}" if connection.port else ""
        path = f"/{connection.schema.strip('/')}" if connection.schema else ""
        return f"{scheme if found else 'http'}://{place.rstrip('/')}{port}{path}"

    @cached_property
    def page_address(self) -> str:
        """Where a browser finds the server; a task may know it by another name."""
        from slipstream.settings import get_settings

        return get_settings().mlflow_url.rstrip("/") or self.address

    @cached_property
    def tracking_uri(self) -> str:
        """The address that clients use, with login and password where there are any."""
        connection = self.connection
        if connection is None or not connection.host:
            found = _settings_uri()
            mask_secret(urlsplit(found).password or "")
            return found
        inside = urlsplit(connection.host)  # some write both into the host
        login = connection.login or unquote(inside.username or "")
        if not login:
            return self.address
        scheme, _, rest = self.address.partition("://")
        password = quote(connection.password or unquote(inside.password or ""), safe="")
        if password:
            mask_secret(password)  # MLflow names the whole address when it does not answer
        return f"{scheme}://{quote(login, safe='')}:{password}@{rest}"

    @cached_property
    def registry(self) -> Registry:
        from slipstream.promotion import Registry

        return Registry(self.tracking_uri)

    def get_conn(self) -> Registry:
        return self.registry

    def run_url(self, run_id: str) -> str:
        """Return the page of a run."""
        return f"{self.page_address}/#/runs/{quote(run_id, safe='')}"

    def version_url(self, model: str, version: str) -> str:
        """Return the page of a registered version."""
        return f"{self.page_address}/#/models/{quote(model, safe='')}/versions/{quote(str(version), safe='')}"

    def test_connection(self) -> tuple[bool, str]:
        """Ask the server for one registered model; what is wrong comes back as a message."""
        try:
            self.registry.client.search_registered_models(max_results=1)
        except Exception as error:
            return False, f"{type(error).__name__}: {error}".replace(self.tracking_uri, self.address)
        return True, f"MLflow answers at {self.address}."


def _settings_uri() -> str:
    from slipstream.settings import get_settings

    return get_settings().tracking_uri.rstrip("/")
