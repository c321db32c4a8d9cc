from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text

from slipstream.errors import SettingsError
from slipstream.services import postgres
from slipstream.services.environment import base_environment
from slipstream.services.places import Places
from slipstream.services.postgres import Postgres, open_cluster
from slipstream.services.processes import spawn, wait_until


@pytest.fixture
def run_cluster(settings):
    """Start a cluster as the stack does, and stop whatever was started."""
    started: list[Postgres] = []

    def run(cluster: Postgres) -> Postgres:
        places = Places(settings.home)
        cluster.prepare(postgres.run_to_end)
        started.append(cluster)
        spawn(cluster.command, environment=base_environment(settings), log=places.log("postgres"), folder=places.home)
        log = places.log("postgres")
        assert wait_until(cluster.answers, 30), log.read_text(encoding="utf-8")
        cluster.create_databases()
        return cluster

    Places(settings.home).create()
    yield run
    for cluster in started:
        postgres.stop_server(cluster.data, grace=10)
        if cluster.sockets != cluster.folder:
            shutil.rmtree(cluster.sockets)


def databases(cluster: Postgres) -> set[str]:
    engine = create_engine(cluster.url("airflow"))
    with engine.connect() as link:
        names = {row[0] for row in link.execute(text("SELECT datname FROM pg_database"))}
    engine.dispose()
    return names


def test_a_cluster_starts_below_a_folder_that_only_its_owner_may_enter(settings, run_cluster):
    settings.home.parent.chmod(0o700)

    cluster = run_cluster(open_cluster(settings.home / "postgres"))

    assert databases(cluster) >= {"airflow", "mlflow"}
    assert settings.home.parent.stat().st_mode & 0o777 == 0o700
    assert not psutil.Process(postgres.postmaster(cluster.data)).net_connections(kind="inet")


def test_root_can_fall_back_to_another_user_where_namespaces_are_forbidden(settings, run_cluster, monkeypatch):
    works = postgres._works
    monkeypatch.setattr(
        postgres, "_works", lambda prefix, *rest, **more: prefix[0] != "unshare" and works(prefix, *rest, **more)
    )

    cluster = run_cluster(open_cluster(settings.home / "postgres"))

    assert psutil.Process(postgres.postmaster(cluster.data)).uids().effective != 0  # for an ordinary user, itself
    assert databases(cluster) >= {"airflow", "mlflow"}


def test_data_made_in_one_way_is_used_in_the_other(settings, run_cluster, monkeypatch):
    works = postgres._works
    with monkeypatch.context() as patch:
        patch.setattr(
            postgres, "_works", lambda prefix, *rest, **more: prefix[0] != "unshare" and works(prefix, *rest, **more)
        )
        first = run_cluster(open_cluster(settings.home / "postgres"))
    postgres.stop_server(first.data, grace=10)

    second = run_cluster(open_cluster(settings.home / "postgres"))

    assert databases(second) >= {"airflow", "mlflow"}


def test_root_that_can_become_nobody_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "_works", lambda *arguments, **more: False)

    with pytest.raises(SettingsError, match="Run as an ordinary user, or set SLIPSTREAM_HOME"):
        postgres.unprivileged(tmp_path)


def test_a_socket_path_that_the_kernel_cannot_hold_moves_to_a_closed_temporary_folder(settings, run_cluster):
    folder = settings.home / "postgres" / ("long" * 30)
    folder.mkdir()

    cluster = run_cluster(open_cluster(folder))

    assert cluster.sockets != folder
    assert cluster.sockets.stat().st_mode & 0o777 == 0o700
    assert databases(cluster) >= {"airflow", "mlflow"}


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(settings, run_cluster):
    cluster = run_cluster(open_cluster(settings.home / "postgres"))
    pidfile = cluster.data / "postmaster.pid"
    content = pidfile.read_text(encoding="utf-8").split("\n", 1)[1]
    postgres.stop_server(cluster.data, grace=10)
    pidfile.write_text(f"{os.getppid()}\n{content}", encoding="utf-8")

    assert postgres.postmaster(cluster.data) is None
    assert databases(run_cluster(cluster)) >= {"airflow", "mlflow"}


def test_half_a_cluster_of_a_killed_start_is_made_anew(settings, run_cluster):
    scratch = settings.home / "postgres" / "data.new"
    scratch.mkdir(parents=True)
    (scratch / "PG_VERSION").write_text("18\n", encoding="utf-8")

    cluster = run_cluster(open_cluster(settings.home / "postgres"))

    assert databases(cluster) >= {"airflow", "mlflow"}
    assert not scratch.exists()


def test_what_was_committed_survives_a_kill_of_the_server(settings, run_cluster):
    cluster = run_cluster(open_cluster(settings.home / "postgres"))
    engine = create_engine(cluster.url("mlflow"))
    with engine.begin() as link:
        link.execute(text("CREATE TABLE aliases (name text)"))
        link.execute(text("INSERT INTO aliases VALUES ('champion')"))
    engine.dispose()
    server = psutil.Process(postgres.postmaster(cluster.data))
    family = [server, *server.children(recursive=True)]
    for process in family:
        process.kill()
    assert wait_until(lambda: postgres.postmaster(cluster.data) is None, 10)

    run_cluster(cluster)

    with create_engine(cluster.url("mlflow")).connect() as link:
        assert link.execute(text("SELECT name FROM aliases")).scalar_one() == "champion"


def test_the_address_holds_no_percent_sign_for_an_ordinary_path_with_spaces():
    cluster = Postgres(folder=Path("/a home/postgres"), sockets=Path("/a home/postgres"))

    assert cluster.url("airflow", driver="asyncpg") == "postgresql+asyncpg://postgres@/airflow?host=/a+home/postgres"


def test_the_newest_bundled_server_is_taken():
    done = subprocess.run([postgres.binaries() / "postgres", "--version"], capture_output=True, text=True, check=True)

    assert int(done.stdout.split()[-1].split(".")[0]) >= 16
