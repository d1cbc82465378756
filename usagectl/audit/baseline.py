"""Findings that do not count: those ignored for a reason, and those of a baseline file.

They stay in every output, with what suppresses them. A baseline names places by
fingerprint, rule, event and field; it holds no value of an event.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from usagectl.audit import rules
from usagectl.audit.findings import Suppression
from usagectl.errors import FileCorruptError, FileUnreadableError, InvalidValueError
from usagectl.machine import files
from usagectl.notice import all_events, find_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from usagectl.audit.findings import Finding

FORM = 1
_SPLIT = re.compile(r"([\w-]+)(=|:)(.*)", re.DOTALL)
_HINT = 'usagectl audit --ignore "UC201=cli_cmd:known since 4.12"'
_HOW_TO_WRITE = "usagectl audit --baseline FILE --write-baseline makes one"


class Ignore(NamedTuple):
    """A place whose findings do not count, and why."""

    rule: str
    place: str  # `EVENT` or `EVENT.FIELD`, and all below it; empty: everywhere.
    reason: str

    def covers(self, finding: Finding) -> bool:
        """True if the finding is of this rule and place."""
        if finding.rule != self.rule:
            return False
        return not self.place or f"{finding.place}.".startswith(f"{self.place}.")


def parse_ignore(text: str) -> Ignore:
    """Read `RULE:REASON` or `RULE=EVENT[.FIELD]:REASON`.

    Raises:
        InvalidValueError: it has another form, or the reason is missing.
        UnknownRuleError: there is no such rule.
    """
    match = _SPLIT.fullmatch(text.strip())
    if match is None:
        if re.fullmatch(r"[\w-]+", text.strip()):
            rules.find(text)
        raise InvalidValueError(
            "--ignore", text, wanted="use RULE[=EVENT.FIELD]:REASON", hint=_HINT
        )
    rule, place, reason = rules.find(match[1]), "", match[3]
    if match[2] == "=":
        place, reason = _split_place(match[3])
    if not reason.strip():
        raise InvalidValueError("--ignore", text, wanted="a reason must follow a colon", hint=_HINT)
    return Ignore(rule.id, _as_shown(place), reason.strip())


def _as_shown(place: str) -> str:
    """Write a place as findings show it; a pointer, as JSON gives the field, is taken too."""
    if "/" in place:
        event, _, pointer = place.partition("/")
        place = ".".join((event.removesuffix("."), *pointer.split("/")))
    return place.replace(".payload.", ".", 1).replace(".*", "")


def _split_place(text: str) -> tuple[str, str]:
    """Cut a place from its reason; the notice knows names of events that hold a colon."""
    events = all_events()
    fields = [field for event in events for field in event.all_fields]
    names = [event.name for event in events] + [f"{each.event}.{each.name}" for each in fields]
    for name in sorted((name for name in names if ":" in name), key=len, reverse=True):
        if text.startswith(f"{name}:"):
            return name, text[len(name) + 1 :]
    place, _, reason = text.partition(":")
    return place.strip(), reason


def check_places(ignores: Iterable[Ignore], names: Iterable[str]) -> None:
    """Refuse to ignore an event that is neither known nor among those that were audited.

    Raises:
        UnknownEventError: there is such an event among them.
    """
    seen = tuple(names)
    for ignore in ignores:
        is_seen = any(f"{ignore.place}.".startswith(f"{name}.") for name in seen)
        if ignore.place and not is_seen:
            find_event(ignore.place.partition(".")[0])


def unmatched(ignores: Iterable[Ignore], findings: Sequence[Finding]) -> list[Ignore]:
    """List what would be ignored, and is not there."""
    return [each for each in ignores if not any(map(each.covers, findings))]


def suppress(
    findings: Iterable[Finding], ignores: Sequence[Ignore], baseline: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Mark the findings that do not count; one that is worse than its baseline says does."""
    return tuple(_suppress(finding, ignores, baseline) for finding in findings)


def _suppress(finding: Finding, ignores: Sequence[Ignore], baseline: Mapping[str, str]) -> Finding:
    for ignore in ignores:
        if ignore.covers(finding):
            return replace(finding, suppressed=Suppression("ignore", ignore.reason))
    level = baseline.get(finding.fingerprint)
    if level in rules.LEVELS and rules.LEVELS.index(finding.level) >= rules.LEVELS.index(level):
        return replace(finding, suppressed=Suppression("baseline", "It stands in the baseline."))
    return finding


def read_baseline(file: Path) -> dict[str, str]:
    """Read a baseline: the level of every fingerprint.

    Raises:
        FileUnreadableError: it is not there or cannot be read.
        FileCorruptError: it is not a baseline.
    """
    data = files.read_bytes(file)
    if data is None:
        raise FileUnreadableError(file, reason="no such file", hint=_HOW_TO_WRITE)
    try:
        document = json.loads(data)
        if document["usagectl_baseline"] != FORM:
            raise ValueError  # noqa: TRY301  (one sentence for all that is wrong with it)
        return {str(each["fingerprint"]): str(each["level"]) for each in document["findings"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = "it is not an audit baseline"
        raise FileCorruptError(file, reason=reason, hint=_HOW_TO_WRITE) from error


def write_baseline(file: Path, findings: Iterable[Finding], *, is_dry_run: bool = False) -> int:
    """Write the findings that are not ignored; return how many. FILE changes whole or not at all.

    A dry run checks the same, and writes nothing.

    Raises:
        FileCorruptError: the file is not a baseline; it stays as it is.
        FileUnwritableError: nothing was written.
    """
    names = ("fingerprint", "rule", "level", "event", "field")
    listed = [
        {name: getattr(finding, name) for name in names}
        for finding in findings
        if finding.suppressed is None or finding.suppressed.by == "baseline"
    ]
    listed.sort(key=lambda each: (each["rule"], each["event"], each["field"]))
    if file.exists():
        read_baseline(file)  # Another file is not written over.
    document = {"usagectl_baseline": FORM, "findings": listed}
    if not is_dry_run:
        files.replace_bytes(file, json.dumps(document, indent=1).encode() + b"\n", new_mode=0o644)
    return len(listed)
