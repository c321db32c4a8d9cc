"""Sections of words, tables and pictures as one HTML file that needs nothing else, or as Markdown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from slipstream.intervals import iso

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #ffffff; --rule: #d5dbe3; --ours: #0072b2;
  --theirs: #d55e00; --mark: #007a5a; --grey: #77808c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --paper: #15191f; --rule: #39424e; --ours: #56b4e9;
  --theirs: #f0a13a; --mark: #35c79a; --grey: #98a2af; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--rule); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: break-word; min-width: 3rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { display: block; max-width: 100%; min-width: 30rem; height: auto; font: 12px system-ui, sans-serif; }
"""
# The page may not load or run anything, whatever a value in it says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_FACTS = ["what", "value"]
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#&])")


@dataclass(frozen=True)
class Section:
    """A heading, with sentences, a table (the first row names its columns) and a picture below it.

    Attributes:
        picture: SVG whose values are escaped already; Markdown leaves it out.
        mark: Puts the section between comments of this name, so that ``replace_section`` finds it.
    """

    title: str
    text: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    picture: str = ""
    mark: str = ""


def to_html(title: str, sections: Iterable[Section]) -> str:
    """Return a self-contained page; every title, sentence and value in it is escaped."""
    body = "\n".join(_html_section(each) for each in sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def to_markdown(title: str, sections: Iterable[Section]) -> str:
    """Return the same as Markdown, without the pictures."""
    return "\n\n".join([f"# {escape_markdown(title)}", *(_markdown_section(each) for each in sections)]) + "\n"


def replace_section(page: str, section: Section, *, add: bool = False) -> str:
    """Return a page, HTML or Markdown, with another content of its section ``mark``.

    Where it has none it stays as it is, or with ``add`` gets one at its end. No value on a page can make such a
    comment, for ``<`` is escaped in both forms.
    """
    begin, end = _comments(section.mark)
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    told = _html_section(section) if page.startswith("<!doctype html>") else _markdown_section(section)
    if found and closed:
        return f"{before}{told}{after}"
    if not add:
        return page
    body, close, rest = page.rpartition("</body>")
    return f"{body}{told}\n{close}{rest}" if close else f"{page.rstrip()}\n\n{told}\n"


def spell(value: Any) -> str:
    """Return a value as a reader wants it: six significant digits, UTC, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {spell(each)}" for name, each in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(spell(each) for each in value) or "-"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def facts(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return names and values as rows of a table."""
    return [dict(zip(_FACTS, (name.replace("_", " "), value), strict=True)) for name, value in values.items()]


def numbers_of(title: str, numbers: Mapping[str, Any]) -> list[Section]:
    """Return a check's numbers: what is one value in one table, each list of records in a table of its own."""
    records = {name: rows for name, value in numbers.items() if (rows := _records(value))}
    single = {name: value for name, value in numbers.items() if name not in records}
    found = [Section(title, rows=facts(single))] if single else []
    return found + [Section(f"{title}: {name.replace('_', ' ')}", rows=rows) for name, rows in records.items()]


def _records(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping) and value and all(isinstance(each, Mapping) for each in value.values()):
        return [{"of": name, **each} for name, each in value.items()]
    listed = isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Mapping) for each in value)
    return list(value) if listed else []


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _html_section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    parts += [f"<p>{escape(each)}</p>" for each in section.text]
    if section.rows:
        names = _columns(section.rows)
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        mixed = names == _FACTS  # numbers among words: to the right they would stand alone
        body = "\n".join(f"<tr>{''.join(_cell(row.get(name), mixed) for name in names)}</tr>" for row in section.rows)
        parts.append(f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>')
    if section.picture:
        parts.append(f'<div class="wide">{section.picture}</div>')
    return _marked("\n".join(parts), section)


def _cell(value: Any, mixed: bool) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool) and not mixed
    mark = ' class="number"' if number else ""
    return f"<td{mark}>{escape(spell(value))}</td>"


def _markdown_section(section: Section) -> str:
    parts = [f"## {escape_markdown(section.title)}", *(escape_markdown(each) for each in section.text)]
    if section.rows:
        names = _columns(section.rows)
        lines = [names, ["---"] * len(names), *([spell(row.get(name)) for name in names] for row in section.rows)]
        told = [[cell if number == 1 else escape_markdown(cell) for cell in line] for number, line in enumerate(lines)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in told))
    return _marked("\n\n".join(parts), section)


def _marked(told: str, section: Section) -> str:
    begin, end = _comments(section.mark)
    return f"{begin}\n{told}\n{end}" if section.mark else told


def _comments(mark: str) -> tuple[str, str]:
    return f"<!-- {mark} -->", f"<!-- end of {mark} -->"


def escape_markdown(text: str) -> str:
    """Escape what Markdown, and the HTML in it, would take for a mark; a cell is one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
