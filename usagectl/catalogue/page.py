"""The page about a tool: sections of rows, for `explain`, `status` by name and Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from usagectl.catalogue import wording
from usagectl.catalogue.versions import is_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from usagectl.catalogue.entry import Entry, Remark, SwitchRule


_BEYOND_A_LINE = re.compile(r"[{\n;&]|^(python run|timeout )|.{100}")
"""What of a command cannot be typed as it stands: values, scripts, several commands."""


class Section(NamedTuple):
    """A heading, and rows of cells below it; a row of one cell is a sentence."""

    heading: str
    rows: tuple[tuple[str, ...], ...]


def sections(entry: Entry, version: str | None = None) -> tuple[Section, ...]:
    """Return what is known of a tool; of what differs by release, what holds for `version`."""
    found = [Section(name, tuple(write(entry, version))) for name, write in _SECTIONS.items()]
    found[-1:-1] = [
        Section(f"Seen: {wording.describe_look(each)}", tuple(map(wording.describe_run, each.runs)))
        for each in entry.evidence
    ]
    return tuple(section for section in found if section.rows)


def _sends(entry: Entry, _version: str | None) -> Iterator[tuple[str, ...]]:
    yield ("by default", wording.describe_default(entry))
    members = ("payload", "sending", "ci", "debug")
    names = ("data", "how", "in CI", "to see it")
    for name, member in zip(names, members, strict=True):
        if text := getattr(entry, member):
            yield (name, text)
    if commands := [each for each in entry.verify.commands if _can_be_typed(each, entry)]:
        yield ("sends with", "; ".join(commands))
    yield from (("part", f"{name}: {text}") for name, text in entry.parts.items())


def _can_be_typed(command: str, entry: Entry) -> bool:
    """True if a command needs nothing that a verification lays out for it."""
    files = (name.rpartition("/")[2] for name in entry.verify.files)
    return not _BEYOND_A_LINE.search(command) and not any(name in command for name in files)


def _goes_to(entry: Entry, _version: str | None) -> Iterator[tuple[str, ...]]:
    for endpoint in entry.endpoints:
        yield (endpoint.kind.replace("-", " "), endpoint.url + _mark(endpoint.how))
    for redirect in entry.redirects:
        note = f": {redirect.note}" if redirect.note else ""
        yield ("moved by", f"{redirect.variable}{note}{_mark(redirect.how)}")
    if entry.proxy != "unknown":
        yield ("HTTPS_PROXY", entry.proxy)
    if entry.certificates:
        yield ("certificates", ", ".join(entry.certificates))


def _switches(entry: Entry, version: str | None) -> Iterator[tuple[str, ...]]:
    for rule in entry.switches:
        if is_within(version, rule.versions):
            seen = wording.describe_seen(entry, rule)
            yield (wording.name_of_switch(entry, rule), f"{_of_switch(rule)} [{seen}]")
    for command in entry.commands:
        said = [command.note, "it reports itself"] if command.sends else [command.note]
        texts = filter(None, (*(each.rstrip(".") for each in said[:-1]), said[-1]))
        yield (command.run, "; ".join(texts) or "its own command")
    if entry.combine == "any-off" and len(entry.switches) > 1:
        yield ("order", "an off wins wherever it stands")
    elif len(entry.switches) > 1:
        yield ("order", "the first that says something decides")


def _of_switch(rule: SwitchRule) -> str:
    marks = [rule.versions] if rule.versions else []
    marks += [each.replace("-", " ") for each in rule.when]
    marks += ["not checked"] if rule.how == "memory" else []
    text = wording.describe_switch(rule)
    text += f" ({', '.join(marks)})" if marks else ""
    return f"{text}. {rule.note}" if rule.note else text


def _files(entry: Entry, _version: str | None) -> Iterator[tuple[str, ...]]:
    for file in entry.files:
        owner = {"user": "yours", "machine": "the machine's", "project": "the project's"}
        name = f"{file.name} ({owner[file.scope]}, {wording.describe_format(file)})"
        yield (name, wording.describe_file(file))


def _identities(entry: Entry, _version: str | None) -> Iterator[tuple[str, ...]]:
    for identity in entry.identities:
        text = wording.describe_identity(entry, identity).removeprefix(identity.made)
        yield (identity.made, text.lstrip(" ,:") + _mark(identity.how))


def _remarks(member: str) -> Callable[[Entry, str | None], Iterator[tuple[str, ...]]]:
    def write(entry: Entry, version: str | None) -> Iterator[tuple[str, ...]]:
        remarks: Sequence[Remark] = getattr(entry, member)
        for remark in remarks:
            if is_within(version, remark.versions):
                yield (remark.whole + _mark(remark.how),)

    return write


def _silent(entry: Entry, _version: str | None) -> Iterator[tuple[str, ...]]:
    yield from ((each.versions, each.text) for each in entry.silent)


def _sources(entry: Entry, _version: str | None) -> Iterator[tuple[str, ...]]:
    yield ("read in", entry.source)
    yield from (("not checked", text) for text in entry.unverified)


_SECTIONS: dict[str, Callable[[Entry, str | None], Iterator[tuple[str, ...]]]] = {
    "What it sends": _sends,
    "Where to": _goes_to,
    "Releases that send nothing": _silent,
    "Switches, in the order in which it asks them": _switches,
    "Its files": _files,
    "Machine IDs": _identities,
    "What no switch covers": _remarks("uncovered"),
    "Of note": _remarks("quirks"),
    "Sources": _sources,
}


def _mark(how: str | None) -> str:
    return {"memory": " (not checked)", "docs": " (its documentation says)"}.get(how or "", "")


def markdown(entries: Sequence[Entry]) -> str:
    """Write the pages of tools as one Markdown text, with a table of all before them."""
    rows = ["| tool | sends | evidence |", "|---|---|---|"]
    for entry in entries:
        link = f"[{entry.name}](#{entry.name})"
        rows.append(f"| {link} | {_cell(entry.summary)} | {entry.basis}, {entry.date} |")
    pages = [_tool_markdown(entry) for entry in entries]
    return "\n\n".join(["\n".join(rows), *pages]) + "\n"


def _tool_markdown(entry: Entry) -> str:
    lines = [f"## {entry.name}", "", f"{entry.title}: {_escaped(entry.summary)}."]
    for section in sections(entry):
        lines += ["", f"**{section.heading}**", ""]
        is_table = all(len(row) > 1 for row in section.rows)
        lines += _table(section.rows) if is_table else [f"- {_escaped(r[0])}" for r in section.rows]
    return "\n".join(lines)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Keep Markdown from reading `<…>`, `*` and `_` of a text as marks."""
    return "".join(f"\\{each}" if each in "<>*_`[]" else each for each in text)
