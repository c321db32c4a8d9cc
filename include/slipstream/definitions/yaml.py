"""Safe YAML that keeps the line of every key and refuses a key that stands twice."""

from __future__ import annotations

from typing import Any

import yaml

Lines = dict[tuple[str, ...], int]


def load_yaml(text: str) -> tuple[Any, Lines]:
    """Return the document and, for each key path, its line (from 1)."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    lines: Lines = {}
    if node is not None:
        _walk(node, (), lines)
    return yaml.safe_load(text), lines


def _walk(node: yaml.Node, path: tuple[str, ...], lines: Lines) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} stands there twice", key.start_mark
                )
            seen.add(name)
            lines[(*path, name)] = key.start_mark.line + 1
            _walk(value, (*path, name), lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _walk(value, (*path, str(position)), lines)
