"""Where SQL runs: DuckDB, embedded; the seam behind which a distributed engine would go.

Definitions' SQL meets data only here. It sees the tables that it is given and nothing else: no file, no network, no
variable of the process. Light to import: DuckDB and Arrow are loaded by the first call.
"""

from __future__ import annotations

from slipstream.engine.connection import connect
from slipstream.engine.sql import Session, describe, open_session, query, stream

__all__ = ["Session", "connect", "describe", "open_session", "query", "stream"]
