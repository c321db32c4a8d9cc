"""Airflow takes the provider, the plugin and the timetables as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slipstream.intervals import utc
from slipstream_airflow.provider import get_provider_info
from slipstream_airflow.timetables import IntervalsUntil, StartsUntil


def test_the_provider_has_the_shape_that_airflow_checks() -> None:
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_finds_both_connection_types_with_their_forms() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    manager.initialize_providers_hooks()
    fields = {name for name in manager.connection_form_widgets if name.startswith("extra__lake__")}
    assert fields == {"extra__lake__root", "extra__lake__endpoint_url", "extra__lake__allow_http"}


def test_hooks_bear_the_types_that_the_provider_names() -> None:
    from airflow.sdk.module_loading import import_string

    for given in get_provider_info()["connection-types"]:
        hook = import_string(given["hook-class-name"])
        assert hook.conn_type == given["connection-type"]
        assert hook.hook_name == given["hook-name"]


def test_the_plugin_is_found_by_its_entry_point() -> None:
    from airflow.plugins_manager import _get_plugins as plugins
    from airflow.plugins_manager import get_timetables_plugins

    assert "slipstream" in {plugin.name for plugin in plugins()[0]}
    assert "slipstream_airflow.timetables.IntervalsUntil" in get_timetables_plugins()


@pytest.mark.parametrize("kind", [IntervalsUntil, StartsUntil])
def test_a_timetable_survives_serialisation(kind: type[IntervalsUntil | StartsUntil]) -> None:
    made = kind("0 6 * * *", until=utc("2014-01-01"))
    again = kind.deserialize(json.loads(json.dumps(made.serialize())))
    assert again.serialize() == made.serialize() == {"cron": "0 6 * * *", "until": "2014-01-01T00:00:00Z"}


@pytest.mark.parametrize("kind", [IntervalsUntil, StartsUntil])
def test_no_run_is_for_an_interval_at_or_after_the_end(kind: type[IntervalsUntil | StartsUntil]) -> None:
    from airflow.timetables.base import TimeRestriction

    timetable = kind("0 0 * * *", until=utc("2013-01-04"))
    last, found = None, []
    while True:
        restriction = TimeRestriction(earliest=_moment("2013-01-01"), latest=None, catchup=True)
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            break
        last = info.data_interval
        found.append(info.logical_date)
    assert found == [utc("2013-01-01"), utc("2013-01-02"), utc("2013-01-03")]
    now = TimeRestriction(earliest=_moment("2013-01-01"), latest=None, catchup=False)
    assert timetable.next_dagrun_info(last_automated_data_interval=None, restriction=now) is None


def _moment(text: str):  # type: ignore[no-untyped-def]
    import pendulum

    return pendulum.instance(utc(text))
