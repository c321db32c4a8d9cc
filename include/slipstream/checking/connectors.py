"""Where batches come from: path templates, queries, callables."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from string import Formatter

from slipstream.checking.findings import Findings, readable
from slipstream.definitions import Source
from slipstream.definitions.loading import Reading
from slipstream.definitions.source import FilesConnector, PythonConnector, SqlConnector

_BOUNDS = ("start", "end")
_DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWcxXGuV%")


def check_connectors(reading: Reading, findings: Findings) -> None:
    """Find connectors that could never give a batch."""
    for source in reading.usable.sources.values():
        if isinstance(source.connector, FilesConnector):
            _check_template(source, source.connector, findings)
        elif isinstance(source.connector, SqlConnector):
            _check_query(source, source.connector, findings)
        else:
            _check_callable(source, source.connector, findings)


def _check_template(source: Source, connector: FilesConnector, findings: Findings) -> None:
    path = ("connector", "path")
    faults = list(_template_faults(connector.path))
    for message, found, allowed in faults:
        findings.add(source, path, message, found=found, allowed=allowed)
    if faults or "{" not in connector.path:
        return
    first = source.cron.interval_at(source.start)
    second = source.cron.interval_at(first.end)
    paths = [connector.path.format(start=each.start, end=each.end) for each in (first, second)]
    if any(each.startswith("/") or ".." in each.split("/") for each in paths):
        findings.add(source, path, f"It leaves the landing root: {paths[0]!r}.", found=connector.path)
    elif paths[0] == paths[1]:
        message = (
            f"The intervals {first} and {second} both read {paths[0]!r}, so each would get the other's rows. "
            f"Put more of the time into the path; the schedule is {source.schedule!r}."
        )
        findings.add(source, path, message, found=connector.path)


def _template_faults(template: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        yield f"The braces do not match: {error}. Wanted something like {{start:%Y-%m-%d}}.", template, ()
        return
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in _BOUNDS or conversion:
            shown = f"{name}!{conversion}" if conversion else name
            yield f"There is no placeholder {{{shown}}}; allowed are {{start:…}} and {{end:…}}.", shown, _BOUNDS
        elif not spec or "%" not in spec:
            yield f"{{{name}}} wants a format of time, such as {{{name}:%Y-%m-%d}}.", name, (f"{name}:%Y-%m-%d",)
        else:
            for unknown in sorted(set(re.findall(r"%(.?)", spec.replace("%%", ""))) - _DIRECTIVES):
                yield f"%{unknown} in {{{name}:{spec}}} is no directive of strftime; %Y-%m-%d are.", f"%{unknown}", ()


def _check_query(source: Source, connector: SqlConnector, findings: Findings) -> None:
    path = ("connector", "query")
    query = connector.query
    if query.endswith(".sql"):
        text = readable(findings, source, query, path)
        if text is None:
            return
        query = text
    bound = set(re.findall(r"(?<![:\w\\]):([A-Za-z_]\w*)", _without_strings(query)))
    for name in _BOUNDS:
        if name not in bound:
            message = (
                f"The query has no :{name}, so every interval would read the same rows. Wanted something like "
                "WHERE changed_at >= :start AND changed_at < :end."
            )
            findings.add(source, path, message)
    for name in sorted(bound - set(_BOUNDS)):
        message = f"There is no parameter :{name}; allowed are :start and :end."
        findings.add(source, path, message, found=name, allowed=_BOUNDS)
    if not re.match(r"\s*\(*\s*(SELECT|WITH)\b", _without_strings(query), re.IGNORECASE):
        findings.add(source, path, "Wanted a SELECT.", found=query.strip().partition("\n")[0][:80])


def _without_strings(sql: str) -> str:
    return re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", " ", sql, flags=re.DOTALL)


def _check_callable(source: Source, connector: PythonConnector, findings: Findings) -> None:
    path = ("connector", "callable")
    stem, _, name = connector.callable.partition(":")
    text = readable(findings, source, f"{stem}.py", path)
    if text is None:
        return
    try:
        names = sorted(set(_top_names(ast.parse(text))))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        findings.add_text(source, f"{stem}.py", path, f"It is not Python: {error}.", line=line)
        return
    if name not in names:
        message = f"{stem}.py has no {name!r}; it has {', '.join(names) or 'nothing'}."
        findings.add(source, path, message, found=f"{stem}:{name}", allowed=[f"{stem}:{each}" for each in names])


def _top_names(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names if alias.name != "annotations")
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
