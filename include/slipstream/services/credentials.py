"""Passwords and keys of the embedded stack: made once, kept in files that only their owner may read."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass

from slipstream.services.places import Places, write_atomically

USERS = {"admin": "admin", "viewer": "viewer"}
"""User name to role."""


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


def ensure_passwords(places: Places) -> None:
    """Write a password for each user into the file that Airflow's simple auth manager reads; keep those it has."""
    known: dict[str, str] = {}
    if places.passwords.exists():
        known = json.loads(places.passwords.read_text(encoding="utf-8") or "{}")
    missing = {user: secrets.token_urlsafe(12) for user in USERS if user not in known}
    if missing:
        write_atomically(places.passwords, json.dumps({**known, **missing}) + "\n")
