"""JSON Lines, with the line of every row.

Blocks in which every line is one object of the declared types go to Arrow as a whole; every other block goes line by
line through Python's json module, with numbers kept as the text that stood there. Both give the same rows.
A line that is no object is a reject. A missing key means null; blank lines mean nothing.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from slipstream.definitions import Source
from slipstream.errors import BatchRejectedError
from slipstream.ingestion.connectors.chunk import Chunk, Reject, record_json, spell
from slipstream.ingestion.connectors.lines import Block, LongLine, Stream, cut

_BOM = b"\xef\xbb\xbf"
_DIRECT = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}


class JsonLines:
    """The rows of one JSON Lines file.

    Args:
        stream: The file's bytes, uncompressed.
        limit: Bytes of the longest line.

    Attributes:
        ignored: Keys met so far that the source does not declare, in order.
        seen: Declared columns that some object had as a key, so far.
    """

    def __init__(self, stream: Stream, *, file: str, source: Source, limit: int) -> None:
        self._items = cut(stream, limit=limit)
        self._file, self._source, self._limit = file, source, limit
        self._unknown: dict[str, None] = {}
        self.seen: set[str] = set()

    @property
    def ignored(self) -> tuple[str, ...]:
        return tuple(self._unknown)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows in order; BatchRejectedError where the file has no byte."""
        empty = True
        for item in self._items:
            if isinstance(item, LongLine):
                none = Block(b"", item.line, 0)
                yield self._slowly(none, [item.reject(self._file, self._limit)])
            else:
                block = _without_mark(item) if empty else item
                table = read_plain(block, self._source)
                yield self._slowly(block, []) if table is None else self._plain(block, table)
            empty = False
        if empty:
            message = f"{self._file} is empty. Send one line break where there are no rows."
            raise BatchRejectedError(message)

    def _plain(self, block: Block, table: pa.Table) -> Chunk:
        self._unknown |= dict.fromkeys(name for name in table.column_names if name not in self._source.columns)
        lines = pa.array(range(block.first, block.first + block.lines), pa.int64())
        for name in self._source.columns.keys() - self.seen:
            if table.column(name).null_count < table.num_rows or f'"{name}"'.encode() in block.data:
                self.seen.add(name)
        declared = [name for name in table.column_names if name in self._source.columns]
        return Chunk(self._file, lines, table.select(declared), _texts(block.data))

    def _slowly(self, block: Block, rejects: list[Reject]) -> Chunk:
        numbers: list[int] = []
        texts: list[str] = []
        records: list[Mapping[str, Any]] = []
        names = list(self._source.columns)
        for number, line in enumerate(block.split(), start=block.first):
            if not line.strip(b" \t\r\n"):
                continue
            text = line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
            try:
                record = read_object(line)
            except ValueError as error:
                rejects.append(Reject(self._file, number, record_json(text), why(error), "json"))
                continue
            column = nested(record, names)
            if column is not None:
                reason = f"Wanted a plain value in {column}, found an object or a list."
                rejects.append(Reject(self._file, number, text, reason, "type", column, spell(_text(record[column]))))
                continue
            records.append(record)
            numbers.append(number)
            texts.append(text)
        met = dict.fromkeys(name for record in records for name in record)
        self.seen |= met.keys() & self._source.columns.keys()
        self._unknown |= dict.fromkeys(name for name in met if name not in self._source.columns)
        table = as_text_columns(records, names)
        return Chunk(self._file, pa.array(numbers, pa.int64()), table, pa.array(texts, pa.string()), rejects)


def _without_mark(block: Block) -> Block:
    return Block(block.data.removeprefix(_BOM), block.first, block.lines)


def read_plain(block: Block, source: Source) -> pa.Table | None:
    """Read a block in which every line is one object of the declared types; None where it is not such a block."""
    data = block.data
    if not data.startswith(b"{") or not data.rstrip(b"\r\n").endswith(b"}") or b"\0" in data or b"\\u" in data:
        return None
    if data.count(b"}\n{") + data.count(b"}\r\n{") != block.lines - 1:
        return None
    try:
        table = pajson.read_json(
            pa.BufferReader(data),
            read_options=pajson.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pajson.ParseOptions(explicit_schema=_schema(source), unexpected_field_behavior="infer"),
        )
        for column in table.columns:
            column.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    odd = any(pc.all(pc.is_finite(table.column(name))).as_py() is False for name in _floats(source))
    return table if table.num_rows == block.lines and not odd else None


def _floats(source: Source) -> list[str]:
    """Return the columns in which Arrow reads NaN and Infinity, whose spelling only the slow path keeps."""
    return [name for name, column in source.columns.items() if column.type == "float64"]


def _schema(source: Source) -> pa.Schema:
    return pa.schema([pa.field(name, _DIRECT.get(column.type, pa.string())) for name, column in source.columns.items()])


def _texts(data: bytes) -> pa.Array:
    """Return the lines of valid UTF-8 as text, without copying them one by one."""
    body = data if data.endswith(b"\n") else data + b"\n"
    ends = np.flatnonzero(np.frombuffer(body, dtype=np.uint8) == 10).astype(np.int32) + 1
    offsets = np.concatenate((np.zeros(1, np.int32), ends))
    lines = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(body))
    return pc.ascii_rtrim(lines, characters="\r\n")


class _NoObjectError(ValueError):
    """JSON that is no object."""


class _TwiceError(ValueError):
    """A key that stands in an object twice."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return found


@functools.cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=str)


def read_object(line: bytes | str) -> dict[str, Any]:
    """Return the object that a line of JSON holds, its numbers as text.

    Raises:
        ValueError: It holds none, a key twice, or what is no text; ``why`` says so in words.
    """
    text = (line.decode("utf-8") if isinstance(line, bytes) else line).strip(" \t\r\n")
    if not text.startswith("{"):
        raise _NoObjectError(text)
    found: dict[str, Any] = _decoder().decode(text)
    for key, value in found.items():
        if isinstance(value, str):
            value.encode("utf-8")
        key.encode("utf-8")
    return found


def why(error: ValueError) -> str:
    """Return, as a sentence, why a line is no row."""
    match error:
        case UnicodeDecodeError():
            return "The line holds bytes that are not UTF-8."
        case UnicodeEncodeError():
            return "The line holds half of a surrogate pair, which is no character."
        case _NoObjectError():
            return f"Wanted a JSON object, found {str(error)[:60]!r}."
        case _TwiceError():
            return f"The key {str(error)!r} stands in the object twice."
        case _:
            return f"The line is not JSON: {error}."


def as_text_columns(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pa.Table:
    """Return the values of objects as columns of text; a missing key is null."""
    return pa.table({name: pa.array([_text(record.get(name)) for record in records], pa.string()) for name in names})


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else str(value)


def nested(record: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the first of ``names`` whose value is an object or a list."""
    return next((name for name in names if isinstance(record.get(name), Mapping | list)), None)
