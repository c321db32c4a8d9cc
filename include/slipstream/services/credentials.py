"""Passwords and keys of the embedded stack: made once, kept in files that only their owner may read."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from slipstream.errors import SettingsError
from slipstream.services.places import Places, write_atomically

if TYPE_CHECKING:
    from slipstream.settings import Settings

USERS = {"admin": "admin", "viewer": "viewer"}
"""User name to role, of those that every stack has."""

ROLES = ("viewer", "user", "op", "admin")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*")


def users_of(settings: Settings) -> dict[str, str]:
    """Return every user's role: ``admin`` and ``viewer``, and those of the setting ``users``.

    Raises:
        SettingsError: The setting is no list of ``name:role``, names a user twice, or changes the role of one of ours.
    """
    found = dict(USERS)
    for entry in filter(None, (each.strip() for each in settings.users.split(","))):
        name, _, role = (part.strip() for part in entry.partition(":"))
        if not _NAME.fullmatch(name) or role not in ROLES:
            wrong = f"found {entry!r}; a role is one of {', '.join(ROLES)}"
        elif found.get(name, role) != role:
            wrong = f"found {name!r} as {role} and as {found[name]}; a user has one role"
        else:
            found[name] = role
            continue
        message = f"SLIPSTREAM_USERS wants name:role with commas between, such as ada:op,bo:user; {wrong}."
        raise SettingsError(message)
    return found


@dataclass(frozen=True)
class Secrets:
    """Airflow's keys. They outlive `down`: a changed fernet key could not read what the old one wrote."""

    fernet_key: str
    jwt_secret: str
    api_secret_key: str


def load_secrets(places: Places) -> Secrets:
    """Return the keys of a home, made on first use."""
    if places.secrets.exists():
        return Secrets(**json.loads(places.secrets.read_text(encoding="utf-8")))
    made = Secrets(
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"),
        jwt_secret=secrets.token_urlsafe(64),
        api_secret_key=secrets.token_urlsafe(32),
    )
    write_atomically(places.secrets, json.dumps(asdict(made), indent=2) + "\n")
    return made


def ensure_passwords(places: Places, users: Iterable[str]) -> None:
    """Write a password for each user into the file that Airflow's simple auth manager reads; keep those it has."""
    known: dict[str, str] = {}
    if places.passwords.exists():
        known = json.loads(places.passwords.read_text(encoding="utf-8") or "{}")
    missing = {user: secrets.token_urlsafe(12) for user in users if user not in known}
    if missing:
        write_atomically(places.passwords, json.dumps({**known, **missing}) + "\n")
