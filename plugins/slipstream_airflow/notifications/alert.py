"""One message a change of a model's alarms, by mail, to a webhook, or into the task's log."""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier

from slipstream.errors import FatalError
from slipstream_airflow.context import looks_back, run_of
from slipstream_airflow.hooks.lake import LakeHook
from slipstream_airflow.hooks.optional import find_connection
from slipstream_airflow.operators.report_drift import report_url

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context

    from slipstream.monitoring import Alert

CONNECTION = "slipstream_alerts"
WEBHOOKS = ("http", "https", "slackwebhook")
PATIENCE = 10.0  # seconds
log = logging.getLogger(__name__)


class AlertNotifier(BaseNotifier):
    """Tell what has changed about a model's alarms since the last message; to be used as a task's callback.

    What was told is in ``ledger/alerts``, so each change is told once, whichever task notices it. The connection says
    how: ``smtp`` (its extra field ``to`` names the receivers), ``http`` (``{"text": …}`` is posted, as Slack and those
    like it want; the password is the secret end of the address); without it, the log of the task. A message that cannot
    be sent fails no task, and is sent with the next look.

    Args:
        model: The model's name.
        connection: The Airflow connection; default: what ``monitoring.alerts`` of the model says, or
            ``slipstream_alerts``.
    """

    template_fields = ("model", "connection")

    def __init__(self, *, model: str, connection: str | None = None) -> None:
        super().__init__()
        self.model = model
        self.connection = connection

    def notify(self, context: Context) -> None:
        from slipstream.monitoring import announce
        from slipstream_airflow.generation import sound_definitions

        if looks_back(context):
            return
        model, hook = sound_definitions().model(self.model), LakeHook()
        conn_id = self.connection or model.monitoring.alerts

        def send(alert: Alert) -> None:
            deliver(alert, find_connection(conn_id or CONNECTION, default=CONNECTION), context)

        try:
            announce(model, lake=hook.lake, settings=hook.settings, run=run_of(context), send=send, link=report_url)
        except Exception:
            self.log.exception("The message about %s could not be sent; the next look tries again.", self.model)


def deliver(alert: Alert, connection: Connection | None, context: Context) -> None:
    """Send ``alert`` the way that the connection is made for; into the log where there is none."""
    log.warning("%s\n%s", alert.title, alert.text)
    if connection is None:
        return
    if connection.conn_type == "smtp":
        _mail(alert, connection, context)
    elif connection.conn_type in WEBHOOKS:
        _post(alert, connection)
    else:
        message = (
            f"Wanted a connection of type smtp or http for alerts, found {connection.conn_id!r} of type "
            f"{connection.conn_type!r}. Change its type, or name another one in monitoring.alerts."
        )
        raise FatalError(message)


def _mail(alert: Alert, connection: Connection, context: Context) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    receivers = connection.extra_dejson.get("to")
    if not receivers:
        message = f"The connection {connection.conn_id!r} names nobody to write to. Give its extra a field `to`."
        raise FatalError(message)
    body = f"<pre>{html.escape(alert.text)}</pre>"
    SmtpNotifier(
        to=receivers, subject=f"[slipstream] {alert.title}", html_content=body, smtp_conn_id=connection.conn_id
    ).notify(context)


def _post(alert: Alert, connection: Connection) -> None:
    import httpx

    answer = httpx.post(webhook(connection), json={"text": f"*{alert.title}*\n{alert.text}"}, timeout=PATIENCE)
    if not answer.is_success:  # also a redirect: it is not followed, so nobody was told
        message = f"The webhook of {connection.conn_id!r} answered {answer.status_code}: {answer.text[:200]}"
        raise FatalError(message)


def webhook(connection: Connection) -> str:
    """Return the address of an ``http`` connection: schema, host, port, and the password as the end of the path."""
    scheme, found, place = (connection.host or "").rpartition("://")
    host, _, path = place.partition("/")
    port = f":{connection.port}" if connection.port else ""
    parts = [part.strip("/") for part in (path, connection.password or "") if part]
    base = f"{scheme if found else connection.schema or 'https'}://{host}{port}"
    return "/".join([base, *parts])
