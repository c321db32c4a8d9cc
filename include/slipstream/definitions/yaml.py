"""Safe, bounded YAML that keeps the line of every key and refuses a key that stands twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# libyaml is some ten times faster; it is absent only where PyYAML was built without it.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Lines = dict[tuple[str, ...], int]
MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_VALUES = 50_000


class UnreadableError(ValueError):
    """A file that cannot be read as one bounded YAML document; ``line`` counts from 1."""

    def __init__(self, message: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(message)


class _Loader(_Base):  # type: ignore[misc]
    """Safe YAML in which a date or number that is none (30 February) stays text, to be refused where it stands."""


def _or_text(construct: Any) -> Any:
    def constructor(loader: Any, node: yaml.ScalarNode) -> Any:
        try:
            return construct(loader, node)
        except (ValueError, OverflowError):
            return node.value

    return constructor


for _tag in ("timestamp", "int", "float"):
    _tag = f"tag:yaml.org,2002:{_tag}"
    _Loader.add_constructor(_tag, _or_text(_Base.yaml_constructors[_tag]))


@dataclass(frozen=True)
class Document:
    """What a YAML file holds, the line of each key path, and the keys that stand twice (the last one counts)."""

    data: Any
    lines: Lines
    repeated: tuple[tuple[tuple[str, ...], int], ...] = ()


def read_yaml(path: Path) -> Document:
    """Read a file; see `load_yaml`. A file beyond ``MAX_BYTES`` is not read at all."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            message = f"Wanted at most {MAX_BYTES:,} bytes, found {size:,}. A definition is short; data lies elsewhere."
            raise UnreadableError(message)
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"Wanted UTF-8, found the byte 0x{error.object[error.start]:02x}. Save the file as UTF-8."
        raise UnreadableError(message, line) from error
    except OSError as error:
        message = f"It cannot be read: {error.strerror or error}."
        raise UnreadableError(message) from error
    return load_yaml(text)


def load_yaml(text: str) -> Document:
    """Read one YAML document.

    Raises:
        UnreadableError: It is not YAML, asks for a Python object, or grows beyond the bounds of depth and number of
            values, aliases counted each time they are used.
    """
    try:
        _refuse_depth(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            walk = _Walk()
            if node is None:
                return Document(None, walk.lines)
            walk.visit(node, (), 0)
            return Document(loader.construct_document(node), walk.lines, tuple(walk.repeated))
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise _unreadable(error, text) from error


def _refuse_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            message = f"It nests deeper than {MAX_DEPTH} levels, which no definition needs."
            raise UnreadableError(message, event.start_mark.line + 1 if event.start_mark else None)


class _Walk:
    """One pass over the nodes, before any Python value is made of them."""

    def __init__(self) -> None:
        self.lines: Lines = {}
        self.repeated: list[tuple[tuple[str, ...], int]] = []
        self.values = 0

    def visit(self, node: yaml.Node, path: tuple[str, ...], depth: int) -> None:
        line = node.start_mark.line + 1
        self.values += 1
        if self.values > MAX_VALUES or depth > MAX_DEPTH:
            message = f"Its aliases make more than {MAX_VALUES:,} values, or one that holds itself; write them out."
            raise UnreadableError(message, line)
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode):
            self._visit_mapping(node, path, depth)
        elif isinstance(node, yaml.SequenceNode):
            for position, value in enumerate(node.value):
                self.visit(value, (*path, str(position)), depth + 1)

    def _visit_mapping(self, node: yaml.MappingNode, path: tuple[str, ...], depth: int) -> None:
        seen: set[str] = set()
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen and isinstance(key, yaml.ScalarNode):
                self.repeated.append(((*path, name), line))
            seen.add(name)
            if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
                key.tag = "tag:yaml.org,2002:str"  # a key is text: `on`, `no` and 2013 as well
            self.lines[(*path, name)] = line
            self.visit(value, (*path, name), depth + 1)


def _unreadable(error: yaml.YAMLError, text: str) -> UnreadableError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else None
    reason = " ".join(str(getattr(error, "problem", None) or error).split())
    if "could not determine a constructor" in reason:
        tag = reason.rpartition(" tag ")[2].strip("'")
        message = f"The tag {tag} is not allowed: definitions hold plain values only. Remove it."
        return UnreadableError(message, line)
    if line and any("\t" in faulty for faulty in text.split("\n")[line - 1 : line]):
        reason += " (there is a tab on this line; YAML indents with spaces)"
    return UnreadableError(f"It is not readable YAML: {reason}.", line)
