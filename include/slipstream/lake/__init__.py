"""Versioned tables of rows by interval, with provenance and completeness."""

from slipstream.lake.commits import Commit, Provenance, Run, Verification
from slipstream.lake.digest import Digest, RowDigest, digest_rows
from slipstream.lake.journal import Journal
from slipstream.lake.lake import Lake
from slipstream.lake.maintenance import Compaction, Vacuum
from slipstream.lake.tables import Table

__all__ = [
    "Commit",
    "Compaction",
    "Digest",
    "Journal",
    "Lake",
    "Provenance",
    "RowDigest",
    "Run",
    "Table",
    "Vacuum",
    "Verification",
    "digest_rows",
]
