"""Findings of an audit, counted by rule, event and field, and IDs that events share; bounded."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from usagectl.audit import rules
from usagectl.audit.search import MACHINE_ID, is_uuid
from usagectl.notice import all_events, departures_of, describe
from usagectl.notice import load as load_notice
from usagectl.sensitive import summarize

if TYPE_CHECKING:
    from collections.abc import Container

    from usagectl.audit.rules import Level
    from usagectl.notice import Departure, Promise

CLI = "cli_cmd"
FIRST_TELLING = "UC300"
"""Rules from there on find tokens, values, names and paths; those before, the form of events."""

_FREE_TEXT = "UC306"  # Which gives nobody away by itself; the notice allows it in one place.
_MOST_FIELDS = 200
_MOST_FINDINGS = 5000
_MOST_VERSIONS = 64
_MOST_IDS = 131_072
_SHORTEST_ID, _LONGEST_ID = 8, 128
_OF_THIS_MACHINE = ("UC302", "UC401", "UC402", "UC403", "UC404", "UC405", "UC406")
_WITHOUT_EXAMPLE = ("UC101", "UC104", *(f"UC{number}" for number in range(106, 115)), "UC202")


class Known(NamedTuple):
    """Departure that explains a finding: its ID, since which version, its title."""

    id: str
    since: str | None
    title: str


class Suppression(NamedTuple):
    """Why a finding does not count: `ignore` or `baseline`, and the reason."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where events depart from the notice."""

    rule: str
    name: str
    level: Level
    event: str
    field: str  # A pointer into the event, `*` for an index; empty for the event itself.
    count: int
    message: str
    example: str  # The first value, masked.
    sentence: str  # The words of the notice that it rests on.
    known: Known | None  # The departure that explains it, None when it is new.
    since: str | None  # The first version that was read and does so; None: all, or not known.
    advice: str  # A command that helps.
    line: int  # The line of the first occurrence, 0 in the spool.
    suppressed: Suppression | None = None  # Why it does not count, None when it does.

    @property
    def fingerprint(self) -> str:
        """Hash of the place of the finding: the same in every run, and without any value."""
        text = f"{self.rule}\0{self.event}\0{self.field}"
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]

    @property
    def place(self) -> str:
        """Event and field as a person types them: `session.machine_id`."""
        parts = self.field.removeprefix("/payload").split("/")
        return ".".join((self.event, *(part for part in parts if part.strip("*"))))


@dataclass(slots=True)
class Tally:
    """Count of one finding, before it is put into words."""

    rule: str
    event: str
    field: str
    part: str = ""  # The typed word that was found, empty for all else.
    count: int = 0
    line: int = 0
    example: str = ""
    known: Departure | None = None  # The departure that explains it in one of them.
    unknown: bool = False  # None explains it in another.
    # Of the clients that did so; None where it is not known.
    versions: set[str | None] = dataclasses.field(default_factory=set)


class Ledger:
    """Tallies of an audit: so many for an event and so many in all, the rest under `*`."""

    def __init__(self, *, shows_values: bool = False, only: Container[str] | None = None) -> None:
        # Hosts in the place of an event's name: what went there is not held against the notice.
        self.others: set[str] = set()
        self.version: str | None = None  # Of the client that sent the event that is audited now.
        self.line = 0  # Where that event stands.
        self._tallies: dict[tuple[str, str, str, str], Tally] = {}
        self._fields: Counter[tuple[str, str]] = Counter()
        self._show = _show_whole if shows_values else summarize
        self._only = only

    def add(
        self,
        rule: str,
        event: str,
        field: str,
        value: object = None,
        part: str = "",
        *,
        times: int = 1,
        line: int | None = None,
    ) -> None:
        """Count a finding, by default in the line of now; its first value becomes the example."""
        if event in self.others and (rule < FIRST_TELLING or rule == _FREE_TEXT):
            return
        tally = self._tally((rule, event, field, part))
        if not tally.count:
            tally.line = self.line if line is None else line
            tally.example = self._example(tally.rule, value)
        tally.count += times
        if self.version not in tally.versions:
            self._explain(tally)

    def _tally(self, key: tuple[str, str, str, str]) -> Tally:
        """Return the tally of a place; a new one where there was none, and room is left."""
        found = self._tallies.get(key)
        if found is not None:
            return found
        rule, event, *_ = key
        if self._fields[rule, event] >= _MOST_FIELDS or len(self._tallies) >= _MOST_FINDINGS:
            key = (rule, event if len(self._tallies) < 2 * _MOST_FINDINGS else "*", "*", "")
        if key not in self._tallies:
            self._tallies[key] = Tally(*key)
            self._fields[rule, event] += 1
        return self._tallies[key]

    def _example(self, rule: str, value: object) -> str:
        if rule in _WITHOUT_EXAMPLE:
            return ""
        if rule in _OF_THIS_MACHINE and self._show is summarize:
            return "*" * 6 if value else summarize(value)
        return self._show(value)

    def _explain(self, tally: Tally) -> None:
        if len(tally.versions) < _MOST_VERSIONS:
            tally.versions.add(self.version)
        departure = _departure(tally, self.version)
        tally.known = tally.known or departure
        tally.unknown = tally.unknown or departure is None

    def findings(self, left_out: Container[str] = ()) -> list[Finding]:
        """List the findings, worst first, without those of typed words in `left_out`."""
        merged: dict[tuple[str, str, str], Tally] = {}
        for tally in self._tallies.values():
            is_wanted = self._only is None or tally.rule in self._only
            if tally.part in left_out or not is_wanted:
                continue
            key = (tally.rule, tally.event, tally.field)
            merged[key] = _merge(merged[key], tally) if key in merged else tally
        found = [
            _finding_of_others(tally) if tally.event in self.others else _finding(tally)
            for tally in merged.values()
        ]
        worst = rules.LEVELS.index
        return sorted(
            found, key=lambda each: (worst(each.level), each.rule, each.event, each.field)
        )


def _merge(first: Tally, second: Tally) -> Tally:
    earlier = min(first, second, key=lambda tally: tally.line)
    known, unknown = first.known or second.known, first.unknown or second.unknown
    count = first.count + second.count
    return dataclasses.replace(earlier, count=count, known=known, unknown=unknown)


def _departure(tally: Tally, version: str | None) -> Departure | None:
    """Find the known departure that explains a finding in a client of that version."""
    pointer = "/metadata/session_id" if tally.field.startswith("/headers/") else tally.field
    found = {
        each.id: each
        for where in dict.fromkeys((pointer, ""))
        for each in departures_of(tally.event, where, version=version)
    }
    return next((found[each] for each in rules.BY_ID[tally.rule].known if each in found), None)


def _finding(tally: Tally) -> Finding:
    rule = rules.BY_ID[tally.rule]
    known = None if tally.unknown else tally.known
    field = describe(tally.event, tally.field) if tally.field else None
    event = next((each for each in all_events() if each.name == tally.event), None)
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


def _finding_of_others(tally: Tally) -> Finding:
    """Build a finding without the notice, which is about other programs."""
    rule = rules.BY_ID[tally.rule]
    return Finding(
        rule=rule.id,
        name=rule.name,
        level=rule.level,
        event=clean(tally.event),
        field=clean(tally.field, most=300),
        count=tally.count,
        message=rule.title,
        example=tally.example,
        sentence="",
        known=None,
        since=None,
        advice="usagectl status",
        line=tally.line,
    )


def _message(title: str, known: Departure | None, *, is_partly: bool) -> str:
    if known is not None:
        return f"{title} Known: {known.title} ({known.id})."
    if is_partly:
        return f"{title} It is known of other versions, not of this one."
    return title


def _sentence(rests_on: str) -> str:
    known = load_notice()
    stated: tuple[Promise | Departure, ...] = known.never_collected + known.departures
    return next((each.sentence or "" for each in stated if each.id == rests_on), "")


def _show_whole(value: object) -> str:
    """Show a value whole, up to a length that a line can hold."""
    if isinstance(value, str):
        return clean(value, most=500)
    return summarize(value) if isinstance(value, (dict, list)) else str(value)[:100]


def clean(text: str, *, most: int = 80) -> str:
    """Make a text printable in any encoding and of bounded length."""
    short = text if len(text) <= most else f"{text[:most]}…"
    return short.encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(slots=True)
class _Stand:
    """Where an ID stood first in CLI events, how often, and whether other events have it too."""

    line: int = 0
    pointer: str = ""
    times: int = 0
    is_elsewhere: bool = False


class SharedIds:
    """IDs that stand in CLI events and in others, whichever come first, as far as a bound goes.

    Only hashes of IDs are kept, so that long ones cost no more than short ones.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stands: OrderedDict[int, _Stand] = OrderedDict()

    def see(self, event: str, pointer: str, text: str) -> bool:
        """Note a text that is an ID, and count it if it ties a CLI event to another.

        True if it is an ID.
        """
        if not _SHORTEST_ID <= len(text) <= _LONGEST_ID or not text.strip("*"):
            return False
        if event != CLI:
            self._see_elsewhere(self._stand(text))
        elif is_uuid(text) or MACHINE_ID.fullmatch(text) or text.startswith("ls-"):
            self._see_in_cli(self._stand(text), pointer)
        else:
            return False
        return True

    def _stand(self, text: str) -> _Stand:
        """Return where an ID stood so far; the oldest is forgotten if there are too many."""
        found = self._stands.setdefault(hash(text), _Stand())
        if len(self._stands) > _MOST_IDS:
            self._stands.popitem(last=False)
        return found

    def _see_in_cli(self, stand: _Stand, pointer: str) -> None:
        if stand.is_elsewhere:
            self._ledger.add("UC202", CLI, pointer)
        elif stand.times:
            stand.times += 1
        else:
            stand.line, stand.pointer, stand.times = self._ledger.line, pointer, 1

    def _see_elsewhere(self, stand: _Stand) -> None:
        if stand.times and not stand.is_elsewhere:
            self._ledger.add("UC202", CLI, stand.pointer, times=stand.times, line=stand.line)
        stand.is_elsewhere = True
