"""CSV, with the line of every row.

Blocks in which nothing surprising stands (no quote, no blank line, no lone carriage return, valid UTF-8, the right
number of fields everywhere) go to Arrow as a whole; every other block goes record by record through Python's csv
module. Both give the same rows. A record that is no row (wrong number of fields, bytes that are not UTF-8, a quote
that is never closed) is a reject; where a quote is never closed, only its first line is, and reading goes on with the
next one, so that one stray quote does not swallow the rest of a file.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as pacsv

from slipstream.definitions import Source
from slipstream.errors import BatchRejectedError
from slipstream.ingestion.connectors.chunk import Chunk, Reject, record_json
from slipstream.ingestion.connectors.header import check_columns
from slipstream.ingestion.connectors.lines import Block, LongLine, Stream, cut

_BOM = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Delimited:
    """The rows of one CSV file.

    Args:
        stream: The file's bytes, uncompressed.
        limit: Bytes of the longest line or record.

    Attributes:
        ignored: Columns of the file that the source does not declare; known once the header is read.
        seen: Declared columns that the file has.
    """

    def __init__(self, stream: Stream, *, file: str, source: Source, delimiter: str, limit: int) -> None:
        self._items = cut(stream, limit=limit)
        self._file = file
        self._source = source
        self._delimiter = delimiter
        self._limit = limit
        self.ignored: tuple[str, ...] = ()
        self.seen = set(source.columns)
        csv.field_size_limit(max(csv.field_size_limit(), limit + 1))

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows in order; BatchRejectedError where the header is not that of the source."""
        names, rest = self._header()
        self.ignored = check_columns(names, self._source, file=self._file, delimiter=self._delimiter)
        records = _Records(self._file, names, self._delimiter, self._limit)
        for item in itertools.chain(rest, self._items):
            if isinstance(item, LongLine):
                yield records.parse([], first=item.line, final=True)
                yield records.chunk([], [], [item.reject(self._file, self._limit)])
                continue
            table = None if records.pending else read_plain(item, names, self._delimiter)
            if table is not None:
                lines = pa.array(range(item.first, item.first + item.lines), pa.int64())
                yield Chunk(self._file, lines, table)
            else:
                yield records.parse(item.split(), first=item.first, final=False)
        yield records.parse([], first=0, final=True)

    def _header(self) -> tuple[list[str], list[Block]]:
        item = next(self._items, None)
        if item is None:
            message = f"{self._file} is empty: it has no header. Send at least the header where there are no rows."
            raise BatchRejectedError(message)
        if isinstance(item, LongLine):
            message = f"{self._file}: the header has {item.length:,} bytes, more than the {self._limit:,} allowed."
            raise BatchRejectedError(message)
        line, _, rest = item.data.partition(b"\n")
        names = self._names(line)
        return names, [Block(rest, item.first + 1, item.lines - 1)] if rest else []

    def _names(self, line: bytes) -> list[str]:
        for mark, encoding in _OTHER_ENCODINGS.items():
            if line.startswith(mark):
                message = f"{self._file} is encoded in {encoding}; wanted UTF-8. Have it sent in UTF-8."
                raise BatchRejectedError(message)
        try:
            text = line.removeprefix(_BOM).decode("utf-8").removesuffix("\r")
            fields = next(csv.reader([text], delimiter=self._delimiter, strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            shown = line[:200].decode("utf-8", "backslashreplace")
            message = f"{self._file}: the first line is not a CSV header in UTF-8 ({error}); found {shown!r}."
            raise BatchRejectedError(message) from error
        return [name.strip() for name in fields]


def read_plain(block: Block, names: Sequence[str], delimiter: str) -> pa.Table | None:
    """Read a block in which every line is a row and nothing is quoted; None where it is not such a block."""
    data = block.data
    if b'"' in data or b"\0" in data or block.has_blank_lines or block.has_lone_returns:
        return None
    try:
        return pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(column_names=list(names), use_threads=False, block_size=len(data) + 1),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=True
            ),
        )
    except pa.ArrowInvalid:
        return None


class _Records:
    """Reads record by record; an unfinished record waits for more lines."""

    def __init__(self, file: str, names: Sequence[str], delimiter: str, limit: int) -> None:
        self.pending: list[str] = []
        self._first = 0
        self._file, self._names, self._delimiter, self._limit = file, list(names), delimiter, limit

    def parse(self, lines: Sequence[bytes], *, first: int, final: bool) -> Chunk:
        """Return the records of the pending and these lines, the first of which has the number ``first``."""
        if not self.pending:
            self._first = first
        feed = _Feed([*self.pending, *(line.decode("utf-8", "surrogateescape") for line in lines)])
        numbers: list[int] = []
        rows: list[list[str]] = []
        rejects: list[Reject] = []
        self.pending = []
        reader = self._reader(feed)
        while feed.at < len(feed.lines):
            start = feed.at
            try:
                fields = next(reader)
            except csv.Error as error:
                if not final and feed.open_ended and feed.size(start) <= self._limit:
                    self.pending = feed.lines[start:]
                    break
                rejects.append(self._malformed(feed.lines[start], self._first + start, str(error)))
                feed.at, reader = start + 1, self._reader(feed)
                continue
            text = "".join(feed.lines[start : feed.at])
            if not fields:
                continue
            reason = self._fault(fields, text)
            if reason:
                rejects.append(self._reject(text, self._first + start, *reason))
            else:
                numbers.append(self._first + start)
                rows.append(fields)
        self._first += len(feed.lines) - len(self.pending)
        return self.chunk(numbers, rows, rejects)

    def chunk(self, numbers: list[int], rows: list[list[str]], rejects: Sequence[Reject]) -> Chunk:
        columns = zip(*rows, strict=True) if rows else ([] for _ in self._names)
        table = pa.table([pa.array(column, pa.string()) for column in columns], names=self._names)
        return Chunk(self._file, pa.array(numbers, pa.int64()), table, rejects=rejects)

    def _reader(self, feed: _Feed) -> Iterator[list[str]]:
        return csv.reader(feed, delimiter=self._delimiter, strict=True)

    def _fault(self, fields: list[str], text: str) -> tuple[str, str] | None:
        if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
            return "The record holds bytes that are not UTF-8.", "encoding"
        if "\0" in text:
            return "The record holds a NUL byte.", "encoding"
        if len(text) > self._limit:
            return f"The record is longer than the {self._limit:,} bytes of SLIPSTREAM_MAX_LINE_BYTES.", "long_line"
        if len(fields) != len(self._names):
            return f"Wanted {len(self._names)} fields, found {len(fields)}.", "fields"
        return None

    def _malformed(self, text: str, line: int, error: str) -> Reject:
        reason = f"The quotes of this line do not close as CSV has it ({error})."
        return self._reject(text, line, reason, "csv")

    def _reject(self, text: str, line: int, reason: str, rule: str) -> Reject:
        return Reject(self._file, line, record_json(escape(text.rstrip("\r\n"))), reason, rule)


class _Feed:
    """Lines for csv.reader that know how many were taken."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.open_ended = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        self.open_ended = self.at == len(self.lines)
        if self.open_ended:
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1]

    def size(self, start: int) -> int:
        return sum(len(line) for line in self.lines[start:])


def escape(text: str) -> str:
    r"""Return text in which bytes that were not UTF-8 stand as ``\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
