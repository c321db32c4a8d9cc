"""Runs several ``airflow`` command lines in one process, so that Airflow is imported once and not a dozen times.

Called as ``python -m slipstream.demo.backfills`` with a JSON list of command lines on standard input, in the
environment of the running stack. Each line goes through Airflow's own command-line parser, as typed in a shell. A
backfill that an interrupted demo has left running is not started again: the runs that were asked for come of it.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def main() -> int:
    """Run each command line; stop at the first that fails."""
    parser: Any = import_module("airflow.cli.cli_parser").get_parser()
    running: Any = import_module("airflow.models.backfill").AlreadyRunningBackfill
    for line in json.load(sys.stdin):
        arguments = parser.parse_args(line)
        try:
            arguments.func(arguments)
        except running as error:
            sys.stderr.write(f"{error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
