"""A person's right to be forgotten: one subject's rows taken out of the lake, of all its versions, and of MLflow.

``prepare`` looks what is there and changes nothing; ``erase`` takes it out and writes a record without personal data.
"""

from slipstream.erasure.running import Erasure, Prepared, erase, prepare
from slipstream.erasure.subject import declared, require_declared

__all__ = ["Erasure", "Prepared", "declared", "erase", "prepare", "require_declared"]
