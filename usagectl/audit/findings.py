"""Own what an audit has found so far: counted by rule, event and field, and bounded."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from usagectl import notice
from usagectl.audit import rules
from usagectl.audit.masking import clean, mask, reveal

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from usagectl.audit.rules import Level
    from usagectl.notice import Departure

_MOST_FIELDS = 200
_MOST_FINDINGS = 5000
_MOST_VERSIONS = 64


class Known(NamedTuple):
    """Hold the departure that explains a finding: its ID, since which version, its title."""

    id: str
    since: str | None
    title: str


class Suppression(NamedTuple):
    """Hold why a finding does not count: `ignore` or `baseline`, and the reason."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one place where events depart from the notice.

    Attributes:
        rule: the rule's ID.
        name: the rule's name.
        level: error, warning or note.
        event: the event's name.
        field: a pointer into the event, `*` for an index; empty for the event itself.
        count: how often.
        message: what is so, in a sentence.
        example: the first value, masked.
        sentence: the words of the notice that it rests on.
        known: the departure that explains it, None when it is new.
        since: the first version that was read and does so; None: all, or not known.
        advice: a command that helps.
        line: the line of the first occurrence, 0 where there is none.
        suppressed: why it does not count, None when it does.
    """

    rule: str
    name: str
    level: Level
    event: str
    field: str
    count: int
    message: str
    example: str
    sentence: str
    known: Known | None
    since: str | None
    advice: str
    line: int
    suppressed: Suppression | None = None

    @property
    def fingerprint(self) -> str:
        """Name the place of the finding; the same in every run, and of no value."""
        text = f"{self.rule}\0{self.event}\0{self.field}"
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]

    @property
    def place(self) -> str:
        """Name event and field as a person types them: `session.machine_id`."""
        parts = self.field.removeprefix("/payload").split("/")
        return ".".join((self.event, *(part for part in parts if part.strip("*"))))


class Tally:
    """Count one finding."""

    __slots__ = (
        "count",
        "event",
        "example",
        "field",
        "known",
        "line",
        "part",
        "rule",
        "unknown",
        "versions",
    )

    def __init__(self, rule: str, event: str, field: str, part: str) -> None:
        self.rule = rule
        self.event = event
        self.field = field
        self.part = part
        self.count = 0
        self.line = 0
        self.example = ""
        self.known: Departure | None = None
        self.unknown = False
        self.versions: set[str | None] = set()


class Ledger:
    """Keep the tallies: so many for an event and so many in all, the rest under `*`."""

    def __init__(self, *, shows_values: bool = False, only: Container[str] | None = None) -> None:
        self.version: str | None = None
        self.line = 0
        self.counted = 0
        self._tallies: dict[tuple[str, str, str, str], Tally] = {}
        self._fields: Counter[tuple[str, str]] = Counter()
        self._show = reveal if shows_values else mask
        self._only = only

    def tally(self, rule: str, event: str, field: str, part: str = "") -> Tally:
        """Return the tally of a place; a new one where there was none, and room is left."""
        key = (rule, event, field, part)
        found = self._tallies.get(key)
        if found is not None:
            return found
        if self._fields[rule, event] >= _MOST_FIELDS or len(self._tallies) >= _MOST_FINDINGS:
            key = (rule, event if len(self._tallies) < 2 * _MOST_FINDINGS else "*", "*", "")
            found = self._tallies.get(key)
        if found is None:
            found = self._tallies[key] = Tally(*key)
            self._fields[rule, event] += 1
        return found

    def count(self, tally: Tally, value: object = None, times: int = 1) -> None:
        """Count a finding where it now stands; the first value is kept as its example."""
        if not tally.count:
            tally.line = self.line
            tally.example = self._example(tally.rule, value)
        tally.count += times
        self.counted += 1
        if self.version not in tally.versions:
            self._explain(tally)

    def _example(self, rule: str, value: object) -> str:
        if rule in _WITHOUT_EXAMPLE:
            return ""
        if rule in _OF_THIS_MACHINE and self._show is mask:
            return "*" * 6 if value else mask(value)
        return self._show(value)

    def add(self, rule: str, event: str, field: str, value: object = None, part: str = "") -> None:
        """Count a finding of a rule in a field."""
        self.count(self.tally(rule, event, field, part), value)

    def _explain(self, tally: Tally) -> None:
        if len(tally.versions) < _MOST_VERSIONS:
            tally.versions.add(self.version)
        departure = explain(tally.rule, tally.event, tally.field, version=self.version)
        tally.known = tally.known or departure
        tally.unknown = tally.unknown or departure is None

    def findings(self, left_out: Container[str] = ()) -> Iterator[Finding]:
        """Give the findings, worst first; of typed values not those that are in `left_out`."""
        merged: dict[tuple[str, str, str], Tally] = {}
        for tally in self._tallies.values():
            is_wanted = self._only is None or tally.rule in self._only
            if not tally.count or tally.part in left_out or not is_wanted:
                continue
            key = (tally.rule, tally.event, tally.field)
            merged[key] = _merge(merged[key], tally) if key in merged else tally
        found = [_finding(tally) for tally in merged.values()]
        order = {level: place for place, level in enumerate(rules.LEVELS)}
        return iter(
            sorted(found, key=lambda each: (order[each.level], each.rule, each.event, each.field))
        )


_OF_THIS_MACHINE = ("UC302", "UC401", "UC402", "UC403", "UC404", "UC405", "UC406")
_WITHOUT_EXAMPLE = ("UC101", "UC104", "UC106", "UC107", "UC108", "UC202")


def _merge(first: Tally, second: Tally) -> Tally:
    merged = Tally(first.rule, first.event, first.field, "")
    merged.count = first.count + second.count
    earlier = min(first, second, key=lambda tally: tally.line)
    merged.line, merged.example = earlier.line, earlier.example
    merged.known = first.known or second.known
    merged.unknown = first.unknown or second.unknown
    return merged


def explain(rule: str, event: str, field: str, *, version: str | None) -> Departure | None:
    """Return the known departure that explains a finding of that rule, None when there is none."""
    wanted = rules.BY_ID[rule].known
    if not wanted:
        return None
    pointer = "/metadata/session_id" if field.startswith("/headers/") else field
    found = {
        each.id: each
        for where in dict.fromkeys((pointer, ""))
        for each in notice.departures_of(event, where, version=version)
    }
    return next((found[each] for each in wanted if each in found), None)


def _finding(tally: Tally) -> Finding:
    rule = rules.BY_ID[tally.rule]
    known = None if tally.unknown else tally.known
    field = notice.describe(tally.event, tally.field) if tally.field else None
    event = _event_named(tally.event)
    since = (tally.known.since if tally.known else None) or (field.since if field else None)
    level = "warning" if known and rule.level == "error" else rule.level
    sentence = (known.sentence if known else "") or _sentence(rule.rests_on)
    sentence = sentence or (field.sentence if field else "") or (event.sentence if event else "")
    return Finding(
        rule=rule.id,
        name=rule.name,
        level=level,
        event=clean(tally.event),
        field=clean(tally.field, most=300),
        count=tally.count,
        message=_message(rule.title, known, is_partly=tally.known is not None and known is None),
        example=tally.example,
        sentence=sentence,
        known=Known(known.id, known.since, known.title) if known else None,
        since=since or (event.since if event and not tally.field else None),
        advice=f"usagectl explain {known.id}"
        if known and rule.advice == "usagectl explain"
        else rule.advice,
        line=tally.line,
    )


def _message(title: str, known: Departure | None, *, is_partly: bool) -> str:
    if known is not None:
        return f"{title} Known: {known.title} ({known.id})."
    if is_partly:
        return f"{title} It is known of other versions, not of this one."
    return title


def _sentence(rests_on: str) -> str:
    known = notice.load()
    for promise in known.never_collected:
        if promise.id == rests_on:
            return promise.sentence
    found = next((each for each in known.departures if each.id == rests_on), None)
    return (found.sentence or "") if found else ""


def _event_named(name: str) -> notice.Event | None:
    return next((event for event in notice.all_events() if event.name == name), None)
