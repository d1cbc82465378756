"""A tool of the catalogue: what its entry's switches say on this machine.

The entry is data; here its switches are tried in the order in which the tool asks them, and the
loudest of its parts is the tool's verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.catalogue.versions import is_within, numbers_of
from usagectl.tools import catalogued_cautions as cautions
from usagectl.tools import file_values, forms, places
from usagectl.tools.base import (
    RANK,
    Caution,
    IdentityFile,
    PartReading,
    Source,
    Switch,
    Telemetry,
    Tool,
)
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.catalogue.entry import Entry, File, Need, Outcome, SwitchRule
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Change, Installation, Wish
    from usagectl.tools.file_values import Content
    from usagectl.tools.previews import PartPreview, PreviewWish

PART = "tool"
"""The one part of each: what is switched apart in it is told as its senders."""

_SOURCES: Mapping[str, Source] = {"user": "file", "machine": "machine", "project": "project"}
_SAYS: Mapping[Outcome, Telemetry | None] = {
    "ignored": None,
    "off": "off",
    "on": "on",
    "local": "local",
    "breaks": "off",  # It stops before it sends.
}


class Tried(Value):
    """A switch of an entry, and what was found of it here."""

    rule: SwitchRule
    switch: Switch
    outcome: Outcome


class Verdict(Value):
    """What the switches of an entry come to."""

    telemetry: Telemetry
    decider: Switch
    senders: Mapping[str, Telemetry]  # By the name of a part; empty without parts.


class Reading(Value):
    """An entry as read on this machine, for one release."""

    entry: Entry
    version: str  # The release whose rules were followed.
    tried: tuple[Tried, ...]  # Every switch that is there, in the order in which they are asked.
    speaking: tuple[Tried, ...]  # The one of each rule that is heeded, as far as they are read.
    verdict: Verdict
    problems: tuple[tuple[Path, str], ...] = ()  # Files that cannot be read, and why.


class Catalogued(Tool):
    """A tool that the catalogue describes."""

    parts = (PART,)

    def __init__(self, entry: Entry, installation: Installation) -> None:
        self.name = entry.name
        self._entry = entry
        self._installation = installation

    @property
    def entry(self) -> Entry:
        """What the catalogue knows of it."""
        return self._entry

    def preview(self, _environment: Environment, wish: PreviewWish, /) -> tuple[PartPreview, ...]:
        """Say what it sends in words: only running it shows the bytes.

        No `capture` line is named: that leads LocalStack's clients alone to this machine, and
        the events of any other tool would go out.
        """
        from usagectl.tools.previews import PartPreview  # of no use to status

        sent, debug = self.entry.payload or self.entry.summary, self.entry.debug
        message = f"Only running {self.entry.title} shows its bytes. What it sends: {sent}."
        message += f" How to see that: {debug}." if debug else ""
        caution = Caution("bytes-not-known", message, f"usagectl explain {self.name}")
        shown = (caution,) if wish.shows(PART) else ()
        return (PartPreview(PART, (), shown, is_unknown=True),)

    @property
    def can_be_written(self) -> bool:  # type: ignore[override]
        """Whether a file of the user's switches it off."""
        return cautions.can_be_written(self.entry)

    def find(self, environment: Environment) -> Installation:  # noqa: ARG002
        """Return what was found of it."""
        return self._installation

    def read(self, environment: Environment) -> tuple[PartReading, ...]:
        """Read its switches by the rules of the release that is here, else of the newest one."""
        installation = self.find(environment)
        found = [read(self.entry, environment, each) for each in self._versions(installation)]
        loudest = max(found, key=lambda each: RANK[each.verdict.telemetry])
        said = cautions.of(loudest, environment)
        if len({each.verdict.telemetry for each in found}) > 1:
            said = (*said, cautions.version_unknown(self.entry, environment))
        return (
            PartReading(
                PART,
                next((each.url for each in self.entry.endpoints if each.kind == "telemetry"), ""),
                (*(each.switch for each in loudest.tried), default_of(self.entry)),
                said,
                loudest.verdict.decider,
                loudest.verdict.senders,
            ),
        )

    def switch(
        self,
        environment: Environment,
        wish: Wish,
        *,
        dry_run: bool,
        project: bool = False,
    ) -> tuple[Change, ...]:
        """Write its switch into its own file, or take back what was written."""
        from usagectl.tools import catalogued_switching as switching  # of no use to status

        version = self.find(environment).version
        is_silent = version and any(is_within(version, e.versions) for e in self.entry.silent)
        if wish == "off" and is_silent:
            return ()  # There is nothing to switch off.
        asked = switching.Asked(environment, version or self.entry.version, project, dry_run)
        return switching.switch(self.entry, asked, wish)

    def way_off(self, environment: Environment) -> str:
        """Return what silences it where its own file does not help."""
        return cautions.way_off(self.entry, environment, self._release(environment), past_file=True)

    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:  # noqa: ARG002
        """Name none: where its IDs lie is said by name alone."""
        return ()

    def _release(self, environment: Environment) -> str:
        return self.find(environment).version or self.entry.version

    def _versions(self, installation: Installation) -> Sequence[str]:
        """Name the releases whose rules may hold: one of each kind where it is not known which."""
        if not installation.installed:
            return [newest(self.entry)]
        known = installation.version or ""
        return [known] if numbers_of(known) else representatives(self.entry)


def newest(entry: Entry) -> str:
    """Name the newest release: the one that was looked at, where it has a number."""
    return entry.version if numbers_of(entry.version) else "999999"


def representatives(entry: Entry) -> list[str]:
    """Name a release of each kind that the entry tells apart, the newest first."""
    ranges = [
        *(rule.versions for rule in entry.switches),
        *(silent.versions for silent in entry.silent),
        *(place.versions for file in entry.files for place in file.places),
    ]
    bounds = {test.strip().lstrip("<>=") for each in ranges if each for test in each.split(",")}
    around = {each for bound in bounds for each in (bound, f"{bound}.0.0.0.1")}
    oldest = numbers_of(entry.detect.minimum)
    older = [each for each in {*around, "0"} if bounds and numbers_of(each) >= oldest]
    return [newest(entry), *sorted(older, key=numbers_of, reverse=True)]


def default_of(entry: Entry) -> Switch:
    """Return what decides where no switch is set; a tool that asks is off until then."""
    says: Telemetry = "off" if entry.default == "asks" else entry.default
    return Switch("default", "no switch", None, "", says)


def read(entry: Entry, environment: Environment, version: str) -> Reading:
    """Try every switch of an entry, by the rules of a release."""
    reader = _Reader(entry, environment, version)
    rules = places.heeded(entry, environment, version)
    by_rule = [list(reader.tries_of(rule)) for rule in rules]
    heeded = [next((one for one in each if _speaks(one)), None) for each in by_rule]
    speaking = _reached(entry, [each for each in heeded if each])
    silent = next((each for each in entry.silent if is_within(version, each.versions)), None)
    verdict = judge(entry, speaking)
    if silent and not _first(speaking, "breaks"):
        switch = Switch("release", f"{entry.title} {version}", None, "", "off")
        verdict = Verdict("off", switch, dict.fromkeys(entry.parts, "off"))
    tried = tuple(one for each in by_rule for one in each)
    return Reading(entry, version, tried, speaking, verdict, tuple(reader.problems.items()))


def _reached(entry: Entry, speaking: Sequence[Tried]) -> tuple[Tried, ...]:
    """Leave out the values that would break the tool in a file that it does not come to ask.

    dlt takes what a variable says and never sees the odd value behind it. A file that cannot
    be parsed breaks it all the same.
    """
    if entry.combine != "first":
        return tuple(speaking)
    parts = set(entry.parts)
    beaten = [
        each
        for number, each in enumerate(speaking)
        if each.outcome == "breaks" and each.rule.file and each.switch.value is not None
        if any(parts <= set(one.rule.covers or parts) for one in speaking[:number])
    ]
    return tuple(each for each in speaking if each not in beaten)


def judge(entry: Entry, speaking: Sequence[Tried]) -> Verdict:
    """Decide on every part; the loudest is the tool's verdict."""
    if breaking := _first(speaking, "breaks"):
        return Verdict("off", breaking.switch, dict.fromkeys(entry.parts, "off"))
    by_part = {part: _decide(entry, speaking, part) for part in entry.parts or ("",)}
    loudest = max(by_part.values(), key=lambda each: RANK[each.says or "on"])
    senders = {part: each.says or "on" for part, each in by_part.items() if part}
    return Verdict(loudest.says or "on", loudest, senders)


def _decide(entry: Entry, speaking: Sequence[Tried], part: str) -> Switch:
    """Return the switch that decides on a part."""
    own = [each for each in speaking if not each.rule.covers or part in each.rule.covers]
    off = _first(own, "off") if entry.combine == "any-off" else None
    decider = off or next(iter(own), None)
    return decider.switch if decider else default_of(entry)


def _first(speaking: Sequence[Tried], outcome: Outcome) -> Tried | None:
    return next((each for each in speaking if each.outcome == outcome), None)


def _speaks(tried: Tried) -> bool:
    return tried.switch.says is not None


class _Reader:
    """The switches of an entry on this machine; each file is read once, when it is asked for."""

    def __init__(self, entry: Entry, environment: Environment, version: str) -> None:
        self.entry = entry
        self.environment = environment
        self.version = version
        self.contents: dict[str, tuple[Path | None, Content]] = {}
        self.problems: dict[Path, str] = {}

    def tries_of(self, rule: SwitchRule) -> Iterator[Tried]:
        """Yield what stands in each variable that is set, or in the file."""
        if rule.file:
            yield from self._try_file(rule)
            return
        variables = self.environment.variables
        source: Source = "ci" if rule.reach == "ci" else "environment"
        there = [name for name in rule.variables if name in variables]
        for name in there:
            value = variables[name]
            outcome = forms.outcome(rule, value)
            yield self._tried(rule, source, name, value, "environment", outcome)
        if not there:
            yield from self._try_missing(rule, source, " or ".join(rule.variables), "environment")

    def _try_missing(
        self, rule: SwitchRule, source: Source, name: str, origin: str
    ) -> Iterator[Tried]:
        """Yield what it does that a value is not there, if anything."""
        outcome = forms.outcome(rule, forms.MISSING)
        if outcome != "ignored":
            yield self._tried(rule, source, f"no {name}", forms.MISSING, origin, outcome)

    def _try_file(self, rule: SwitchRule) -> Iterator[Tried]:
        path, content = self.content(rule.file)
        file = self.entry.file(rule.file)
        source, name = _SOURCES[file.scope], ".".join(rule.key) or file.name
        origin = str(path) if path else ""
        if content.problem:
            if rule.broken != "ignored":
                yield self._tried(rule, source, name, forms.MISSING, origin, rule.broken)
            return
        if not all(self._has(content, file, need) for need in rule.needs):
            return
        value = file_values.value_at(content, file.path_to(rule.key))
        if value is forms.MISSING:
            yield from self._try_missing(rule, source, name, origin)
        elif value is file_values.UNKNOWN:
            yield Tried(rule, Switch(source, name, None, origin, "unknown"), "ignored")
        else:
            tried = self._tried(rule, source, name, value, origin, forms.outcome(rule, value))
            is_marker = file.format == "marker"
            yield tried._replace(switch=tried.switch._replace(value=None)) if is_marker else tried

    def content(self, name: str) -> tuple[Path | None, Content]:
        """Read a file of the entry."""
        if name not in self.contents:
            file = self.entry.file(name)
            path = places.path_of(file, self.environment, self.version)
            form = places.as_at(file, path).format if path else file.format
            found = file_values.load(path, form, file.dialect) if path else file_values.Content()
            self.contents[name] = path, found
            if path and found.problem:
                self.problems[path] = found.problem
        return self.contents[name]

    def _tried(
        self,
        rule: SwitchRule,
        source: Source,
        name: str,
        value: object,
        origin: str,
        outcome: Outcome,
    ) -> Tried:
        text = shown(self.entry, rule.key, name, value)
        return Tried(rule, Switch(source, name, text, origin, _SAYS[outcome]), outcome)

    @staticmethod
    def _has(content: Content, file: File, need: Need) -> bool:
        return forms.matches(need.match, file_values.value_at(content, file.path_to(need.key)))


def shown(entry: Entry, key: tuple[str, ...], name: str, value: object) -> str | None:
    """Return a switch's value as text, short, credentials and machine IDs masked; None without.

    A token of GitHub Enterprise silences gh, and Angular's ID is its switch.
    """
    from usagectl.sensitive import MASK, mask_url_credentials, redact, secrets_of

    if value is forms.MISSING:
        return None
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict | list):  # Nobody knows what stands in it.
        return "{…}" if isinstance(value, dict) else "[…]"
    text = str(value)
    is_id = key and any(each.key == key for each in entry.identities)
    if is_id and not is_word(entry, key, text):
        return redact(text)
    for secret in secrets_of({name: text}):
        text = text.replace(secret, MASK)
    text = mask_url_credentials(text) if "://" in text else text
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def is_word(entry: Entry, key: tuple[str, ...], text: str) -> bool:
    """True if a switch knows a text at a key, such as the `false` in the place of Angular's ID."""
    rules = [each for each in entry.switches if key and each.key == key]
    return text.lower() in {str(word).lower() for each in rules for word in each.known_values}


_MOST_SHOWN = 80
