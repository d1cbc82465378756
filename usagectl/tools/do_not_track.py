"""What DO_NOT_TRACK does to each tool of the catalogue, told by the tool's own rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl import catalogue
from usagectl.catalogue.versions import is_within
from usagectl.catalogue.wording import describe_switch, rules_of
from usagectl.tools import forms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from usagectl.catalogue.entry import Entry

NAME = "DO_NOT_TRACK"
VALUES = ("1", "true", "yes", "0", "")


class Row(NamedTuple):
    """What the values of the variable do to one tool."""

    tool: str
    is_read: bool  # Whether the tool reads the variable at all.
    was_seen: bool  # Whether it was seen to send; not of LocalStack's own, which do not read it.
    effects: Mapping[str, str]  # By value: off, on, part or breaks; on where nothing changes.
    meaning: str  # Which values it takes, in words; empty where it reads none.


def rows() -> tuple[Row, ...]:
    """Return a row for each tool whose newest release sends, or may."""
    return tuple(_row(entry) for entry in map(catalogue.entry, catalogue.names()) if _sends(entry))


def _sends(entry: Entry) -> bool:
    is_silent = any(is_within(entry.version, each.versions) for each in entry.silent)
    return entry.default in ("on", "asks", "unknown") and not is_silent


def summary(found: Sequence[Row]) -> str:
    """Say how many of the tools that were seen to send the variable silences."""
    seen = [row for row in found if row.was_seen]
    silent = sum(row.effects["1"] == "off" for row in seen)
    by_accident = sum(row.effects["0"] == "off" for row in seen)
    return (
        f"{NAME}=1 silences {silent} of {len(seen)} tools that were seen to send; "
        f"{NAME}=0 opts out of {by_accident} of them."
    )


def _row(entry: Entry) -> Row:
    rules = rules_of(entry, NAME)
    effects = {value: _effect(entry, value) for value in VALUES}
    was_seen = not entry.module and any(
        evidence.how == "wire" and any(run.is_loud for run in evidence.runs)
        for evidence in entry.evidence
    )
    return Row(entry.name, bool(rules), was_seen, effects, "; ".join(map(describe_switch, rules)))


def _effect(entry: Entry, value: str) -> str:
    said = list(_said(entry, value))
    if "breaks" in said:
        return "breaks"
    return next((each for each in said if each != "ignored"), "on")


def _said(entry: Entry, value: str) -> Iterator[str]:
    for rule in rules_of(entry, NAME):
        outcome = forms.outcome(rule, value)
        yield "part" if outcome == "off" and rule.covers else outcome
