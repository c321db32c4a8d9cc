"""Writes the UI's passwords where Airflow's simple auth manager reads them, then becomes the command that follows.

A password that was changed in .env holds from the next start on.
"""

import json
import os
import sys
from pathlib import Path

USERS = {"admin": "AIRFLOW_ADMIN_PASSWORD", "viewer": "AIRFLOW_VIEWER_PASSWORD"}


def main(command: list[str]) -> None:
    """Write the file for its owner alone, take the passwords out of the environment, and go on as ``command``."""
    passwords = {user: os.environ.pop(variable) for user, variable in USERS.items()}
    path = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(json.dumps(passwords) + "\n")
    os.execvp(command[0], command)  # noqa: S606 - the command is the container's own


if __name__ == "__main__":
    main(sys.argv[1:])
