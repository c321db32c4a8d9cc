"""Cutting a stream of bytes into blocks of whole lines, without ever holding a line that is too long."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from slipstream.ingestion.connectors.chunk import Reject, record_json

BLOCK_BYTES = 8 * 2**20
HEAD_BYTES = 1_000  # of a line that is too long are kept
NEWLINE = 10


class Stream(Protocol):
    """Bytes to be read in order."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Block:
    """Whole lines; only the last of a file may lack its line end."""

    data: bytes
    first: int
    lines: int

    @property
    def has_blank_lines(self) -> bool:
        data = self.data
        return data.startswith((b"\n", b"\r\n")) or b"\n\n" in data or b"\n\r\n" in data

    @property
    def has_lone_returns(self) -> bool:
        return self.data.count(b"\r") != self.data.count(b"\r\n")

    def split(self) -> list[bytes]:
        """Return the lines with their line ends."""
        pieces = self.data.split(b"\n")
        lines = [piece + b"\n" for piece in pieces[:-1]]
        return [*lines, pieces[-1]] if pieces[-1] else lines


@dataclass(frozen=True)
class LongLine:
    """A line longer than allowed, of which only the beginning is kept."""

    line: int
    length: int
    sha256: str
    head: bytes

    def reject(self, file: str, limit: int) -> Reject:
        text = self.head.decode("utf-8", "backslashreplace")
        raw = {"truncated": text, "length": self.length, "sha256": self.sha256}
        reason = f"The line has {self.length:,} bytes, more than the {limit:,} of SLIPSTREAM_MAX_LINE_BYTES."
        return Reject(file, self.line, record_json(raw), reason, "long_line")


def cut(stream: Stream, *, limit: int, size: int = BLOCK_BYTES) -> Iterator[Block | LongLine]:
    """Yield the whole stream in order, as blocks of lines of at most ``limit`` bytes and single longer ones."""
    carry, line = b"", 1
    while data := stream.read(size):
        data = carry + data
        end = data.rfind(b"\n") + 1
        for item in _separate(data[:end], line, limit):
            yield item
            line = item.line + 1 if isinstance(item, LongLine) else item.first + item.lines
        carry = data[end:]
        if len(carry) > limit:
            long, carry = _skip(stream, carry, line, size)
            yield long
            line += 1
    if carry:
        yield from _separate(carry, line, limit)


def _separate(data: bytes, first: int, limit: int) -> Iterator[Block | LongLine]:
    """Take the lines that are too long out of whole lines."""
    if not data:
        return
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == NEWLINE) + 1
    if not len(ends) or ends[-1] != len(data):
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends[:-1]))
    begin = 0
    for index in np.flatnonzero(ends - starts > limit + 1).tolist():
        if index > begin:
            yield Block(data[starts[begin] : starts[index]], first + begin, index - begin)
        text = data[starts[index] : ends[index]].removesuffix(b"\n").removesuffix(b"\r")
        yield LongLine(first + index, len(text), hashlib.sha256(text).hexdigest(), text[:HEAD_BYTES])
        begin = index + 1
    if begin < len(ends):
        yield Block(data[starts[begin] :], first + begin, len(ends) - begin)


def _skip(stream: Stream, begun: bytes, line: int, size: int) -> tuple[LongLine, bytes]:
    """Read to the end of a line that is too long; return it, and what follows it."""
    digest, length, piece, rest, head = hashlib.sha256(), 0, begun, b"", b""
    held = b""  # a carriage return at the end of a piece may belong to the line end
    while True:
        text, newline, rest = piece.partition(b"\n")
        text = held + text
        held = b""
        if newline:
            text = text.removesuffix(b"\r")
        elif text.endswith(b"\r"):
            text, held = text[:-1], b"\r"
        digest.update(text)
        length += len(text)
        head = head if len(head) >= HEAD_BYTES else (head + text)[:HEAD_BYTES]
        if newline:
            break
        piece = stream.read(size)
        if not piece:
            break
    return LongLine(line, length, digest.hexdigest(), head), rest
