"""The report as Markdown, for the summary page of a CI run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from usagectl.errors import count_of
from usagectl.report import words
from usagectl.showing import printable_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MOST_FINDINGS = 20


def write(data: Mapping[str, Any]) -> str:
    """Write a report as Markdown: the answer, a table of tools, what was caught, the sums."""
    parts = [*_answer(data), *_tools(data)]
    for each in data["captures"]:
        parts += _capture(each)
    if data["not_covered"]:
        rows = [
            f"- {escaped(each['tool'])}: {escaped(each['text'])}" for each in data["not_covered"]
        ]
        parts += ["### What no opt-out covers", "\n".join(rows)]
    when, system = words.instant(data["time"]), data["environment"]["system"]
    made = f"usagectl {data['usagectl']}, {when}, {system}"
    parts.append(f"{escaped(made)}. SHA-256 of its data: `{_plain(data['sha256'])}`")
    return "\n\n".join(parts) + "\n"


def _answer(data: Mapping[str, Any]) -> Iterator[str]:
    yield "## Usage telemetry"
    yield f"**{escaped(words.headline(data))}**"
    if told := words.captures_line(data):
        yield escaped(told)
    if told := words.expectation(data):
        yield escaped(told)


def _tools(data: Mapping[str, Any]) -> Iterator[str]:
    tools = data["tools"]
    rows = [
        (
            words.name_of(each, tools),
            words.version(each, data),
            words.verdict(each, data)[0],
            words.decider(each["decided_by"]),
            each["evidence"],
        )
        for each in tools
    ]
    yield _table(("tool", "version", "verdict", "decided by", "evidence"), rows)


def _capture(capture: Mapping[str, Any]) -> Iterator[str]:
    what = capture["command"] or capture["file"]
    yield f"### Caught: {escaped(what)}"
    gaps = (each["sentence"] for each in capture["not_seen"])
    yield escaped(
        " ".join(filter(None, (*words.WAYS[capture["mode"]], words.lost(capture), *gaps)))
    )
    rows = [
        (row["host"], words.owner_of(row), str(row["requests"]), _bytes(row))
        for row in capture["hosts"]
    ]
    if rows:
        yield _table(("host", "whose", "requests", "bytes"), rows)
    findings = capture["audit"]["findings"]
    if findings:
        yield _table(
            ("level", "rule", "count", "where"),
            [
                (each["level"], f"{each['rule']} {each['name']}", str(each["count"]), _where(each))
                for each in findings[:_MOST_FINDINGS]
            ],
        )
    if len(findings) > _MOST_FINDINGS:
        yield f"{count_of(len(findings) - _MOST_FINDINGS, 'more finding')}."
    yield f"{escaped(capture['file'])}: SHA-256 `{_plain(capture['sha256'])}`"


def _where(finding: Mapping[str, Any]) -> str:
    return f"{finding['event']} {finding['field']}".strip()


def _bytes(row: Mapping[str, Any]) -> str:
    return "" if row["bytes"] is None else str(row["bytes"])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *(map(escaped, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Keep Markdown and HTML from reading a text as anything but text, in one line of a table."""
    plain = printable_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An address would become a link, a name with @ a mention of somebody.
    plain = re.sub(r"([\\`*_\[\]|#!~$])", r"\\\1", plain)
    return plain.replace("@", "&#64;").replace("://", "&#58;//").replace("www.", "www&#46;")


def _plain(text: str) -> str:
    return re.sub(r"[^\w.-]", "", text)
