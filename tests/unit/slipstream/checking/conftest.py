from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = """\
name: readings
description: Readings of sensors.
schedule: "0 0 * * *"
start: 2013-01-01
connector:
  type: files
  path: "readings/{start:%Y-%m-%d}.csv"
  format: csv
columns:
  reading_id: {type: string, required: true}
  sensor: string
  read_at: {type: timestamp, timezone: UTC}
  sent_at: timestamp
  value: {type: float64, unit: degrees}
key: [reading_id]
event_time: read_at
known_at: sent_at
subject_key: sensor
arrival: {expected_after: 1h}
"""
CONTRACT = """\
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: value, min_value: 0}
    on_failure: quarantine
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1}
    on_failure: halt
"""
VIEW = """\
name: levels
description: The last value of a sensor.
schedule: "0 0 * * *"
start: 2013-01-01
entity: [sensor]
inputs:
  readings: {table: raw/readings, lookback: 1d}
ttl: 7d
features:
  value: {type: float64, description: Last value.}
"""
MODEL = """\
name: next_value
purpose: Tells the next value of a sensor.
task: regression
start: 2013-01-01
key: [reading_id]
population:
  inputs:
    readings: {table: raw/readings, lookback: 1d}
label:
  inputs:
    readings: {table: raw/readings}
  maturity: 2d
features: ["levels:value"]
keys:
  levels: {sensor: sensor}
training:
  window: 100d
  candidates:
    alpha: [0.1, 1.0]
evaluation: {window: 10d}
seed: 1
gate:
  - {check: baseline}
  - {check: metric_gain, metric: absolute_error}
approval: {required: false}
scoring: {at: end}
monitoring: {window: 7d}
retraining: {reasons: [drift]}
"""
FILES = {
    "sources/readings/source.yaml": SOURCE,
    "sources/readings/expectations.yaml": CONTRACT,
    "features/levels/view.yaml": VIEW,
    "features/levels/view.sql": "SELECT sensor, event_time, known_at, value FROM readings\n",
    "models/next_value/model.yaml": MODEL,
    "models/next_value/population.sql": "SELECT reading_id, sensor, known_at AS prediction_time FROM readings\n",
    "models/next_value/label.sql": "SELECT reading_id, value AS label, known_at FROM readings\n",
    "models/next_value/estimator.py": (
        "from sklearn.linear_model import Ridge\n\n\ndef build(params):\n    return Ridge(**params)\n"
    ),
}
Edit = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a definitions root that holds one sound source, view and model."""
    for name, text in FILES.items():
        path = tmp_path / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "include"


@pytest.fixture
def edit(root: Path) -> Edit:
    """Give a function that replaces text, which must be there, in one of the root's files."""

    def change(name: str, *changes: tuple[str, str]) -> Path:
        path = root / name
        text = path.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"{name} has no {old!r}"
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")
        return path

    return change
