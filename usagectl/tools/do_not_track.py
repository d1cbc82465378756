"""What DO_NOT_TRACK does to each tool of the catalogue, told by the tool's own rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl import catalogue
from usagectl.catalogue.wording import describe_switch, rules_of
from usagectl.tools import forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.catalogue.entry import Entry

NAME = "DO_NOT_TRACK"
VALUES = ("1", "true", "yes", "0", "")


class Row(NamedTuple):
    """What the values of the variable do to one tool."""

    tool: str
    is_read: bool  # Whether the tool reads the variable at all.
    effects: Mapping[str, str]  # By value: off, on, part or breaks; on where nothing changes.
    meaning: str  # Which values it takes, in words; empty where it reads none.


def rows() -> tuple[Row, ...]:
    """Return a row for each tool that sends, or may."""
    entries = map(catalogue.entry, catalogue.names())
    return tuple(_row(entry) for entry in entries if entry.default in ("on", "asks", "unknown"))


def _row(entry: Entry) -> Row:
    rules = rules_of(entry, NAME)
    effects = {value: _effect(entry, value) for value in VALUES}
    return Row(entry.name, bool(rules), effects, "; ".join(map(describe_switch, rules)))


def _effect(entry: Entry, value: str) -> str:
    said = list(_said(entry, value))
    if "breaks" in said:
        return "breaks"
    return next((each for each in said if each != "ignored"), "on")


def _said(entry: Entry, value: str) -> Iterator[str]:
    for rule in rules_of(entry, NAME):
        outcome = forms.outcome(rule, value)
        yield "part" if outcome == "off" and rule.covers else outcome
