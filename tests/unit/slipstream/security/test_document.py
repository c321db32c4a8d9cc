"""Every test that the threat model names exists, in the file that it names."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[4]
TEXT = (PROJECT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")


def test_the_threat_model_names_tests_that_exist() -> None:
    file, seen, missing = "", 0, []
    for name in re.findall(r"`(tests/[\w/]+\.py|test_\w+)`", TEXT):
        if name.startswith("tests/"):
            file = name
            continue
        seen += 1
        if f"def {name}(" not in (PROJECT / file).read_text(encoding="utf-8"):
            missing.append(f"{file}::{name}")
    assert missing == []
    assert seen > 50
