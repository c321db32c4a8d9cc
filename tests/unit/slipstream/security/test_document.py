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


def test_every_exception_from_a_rule_of_bandits_says_why() -> None:
    roots = ("include", "plugins", "dags", "deploy", "tests")
    lines = [
        (path.relative_to(PROJECT).as_posix(), line.strip())
        for root in roots
        for path in sorted((PROJECT / root).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"# noqa: [\w, ]*\bS\d{3}", line)
    ]
    assert [found for found in lines if not re.search(r"# noqa: [A-Z0-9, ]+ - \S", found[1])] == []
    assert lines
