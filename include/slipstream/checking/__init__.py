"""The deep check of definitions: not only whether each file reads, but whether all of it would work together.

It runs a definition's SQL on empty tables and its estimator on made-up rows, so it imports the team's own code.
"""

from slipstream.checking.report import CheckReport
from slipstream.checking.run import check_definitions, find_root

__all__ = ["CheckReport", "check_definitions", "find_root"]
