"""What a team writes: sources, feature views and models, as folders of YAML, SQL and an estimator.

``load_definitions`` reads a definitions root (``sources/``, ``features/``, ``models/``) into frozen objects;
``read_definitions`` also returns every problem it met instead of stopping at the first.
"""

from slipstream.definitions.base import Definition
from slipstream.definitions.gate import (
    BaselineCheck,
    BudgetCheck,
    CalibrationCheck,
    FairnessCheck,
    GateCheck,
    MetricGainCheck,
    OwnCheck,
    SchemaCheck,
    SlicesCheck,
    StabilityCheck,
    ValueCheck,
)
from slipstream.definitions.loading import Definitions, get_definitions, load_definitions, read_definitions
from slipstream.definitions.model import Model
from slipstream.definitions.problem import Problem
from slipstream.definitions.source import Column, Expectation, Source
from slipstream.definitions.tables import table_cron, table_definition
from slipstream.definitions.view import Feature, Input, View

__all__ = [
    "BaselineCheck",
    "BudgetCheck",
    "CalibrationCheck",
    "Column",
    "Definition",
    "Definitions",
    "Expectation",
    "FairnessCheck",
    "Feature",
    "GateCheck",
    "Input",
    "MetricGainCheck",
    "Model",
    "OwnCheck",
    "Problem",
    "SchemaCheck",
    "SlicesCheck",
    "Source",
    "StabilityCheck",
    "ValueCheck",
    "View",
    "get_definitions",
    "load_definitions",
    "read_definitions",
    "table_cron",
    "table_definition",
]
