"""Writes .env from .env.example, with a secret for every empty value; never touches a .env that is there."""

import base64
import os
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def filled(example: str) -> str:
    """Return the text of .env.example with a generated secret behind every ``NAME=`` that has no value."""
    lines = [f"{line}{_secret(line[:-1])}" if _is_empty(line) else line for line in example.splitlines()]
    return "\n".join(lines) + "\n"


def _is_empty(line: str) -> bool:
    return line.endswith("=") and not line.startswith("#")


def _secret(name: str) -> str:
    if name == "AIRFLOW_FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
    # Hexadecimal: it stands in addresses, JSON and shell lines without any quoting.
    return secrets.token_hex({"S3_ACCESS_KEY": 10, "AIRFLOW_JWT_SECRET": 64}.get(name, 24))


def main(project: Path = PROJECT) -> int:
    """Write the file for its owner alone; return 0 where it is there, made or found."""
    target = project / ".env"
    text = filled((project / ".env.example").read_text(encoding="utf-8"))
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.stdout.write(".env is there already and stays as it is. To have new secrets, move it away first.\n")
        return 0
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    sys.stdout.write("Wrote .env. The password of `admin` is AIRFLOW_ADMIN_PASSWORD in it.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
