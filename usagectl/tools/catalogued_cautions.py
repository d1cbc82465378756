"""What to warn of in a tool of the catalogue: values that are not what they look like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from usagectl.catalogue.versions import is_within
from usagectl.errors import quote
from usagectl.tools.base import BREAKS, Caution, is_no

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.catalogue.entry import Entry, SwitchRule
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Switch
    from usagectl.tools.catalogued import Reading, Tried

_YES = frozenset(("1", "true", "t", "yes", "y", "on", "enable", "enabled"))
_NO = frozenset(("0", "false", "f", "no", "n", "off", "none", "never"))
_OFF = frozenset(("disable", "disabled", "optout", "opt-out", "opt_out"))
"""Words that a person writes for a yes, for a no, and for no telemetry whatever was asked."""

_OPT_OUT = frozenset(("no", "not", "disable", "disabled", "out", "optout", "off", "suppress"))
_OPT_IN = frozenset(
    (
        *("telemetry", "analytics", "metrics", "tracking", "reporting", "statistics", "stats"),
        *("enable", "enabled", "collection"),
    )
)
"""Words in a switch's name that say what its yes means; the last word counts for an opt-in."""

_SHARED = "DO_NOT_TRACK"


def of(reading: Reading, environment: Environment) -> tuple[Caution, ...]:
    """List what a person should know of a tool's switches as they stand."""
    return (
        *_breaking(reading),
        *_misread(reading, environment),
        *_partial(reading, environment),
        *_do_not_track(reading, environment),
        *_unreadable(reading),
    )


def version_unknown(entry: Entry, environment: Environment) -> Caution:
    """Warn that the releases differ and that it is not known which one is here."""
    message = (
        f"Which release of {entry.title} is here was not found, and they do not read their "
        "switches alike: the loudest one counts."
    )
    return Caution("version-unknown", message, way_off(entry, environment))


def own_switches(entry: Entry, version: str | None = None) -> Iterator[SwitchRule]:
    """Yield the switches that may be written and silence the whole tool, its own ones first."""
    rules = [each for each in entry.switches if each.write is not None and each.reach != "ci"]
    rules = [each for each in rules if is_within(version, each.versions)]
    whole = [each for each in rules if not each.covers]
    yield from (each for each in whole if each.reach == "own")
    yield from (each for each in whole if each.reach != "own")


def can_be_written(entry: Entry) -> bool:
    """True if files of the user's switch a whole tool off, one of them or several together."""
    scopes = {file.name: file.scope for file in entry.files}
    rules = [each for each in entry.switches if each.write is not None]
    rules = [each for each in rules if scopes.get(each.file) == "user"]
    covered = {part for rule in rules for part in rule.covers}
    return any(not each.covers for each in rules) or bool(covered and covered >= set(entry.parts))


def way_off(
    entry: Entry, environment: Environment, version: str | None = None, *, past_file: bool = False
) -> str:
    """Return a command that silences a tool here: a variable, a file, its own command.

    Where the user's file does not help, as something beats it, `past_file` names what else does.
    """
    for rule in own_switches(entry, version):
        if rule.variables:
            return _export(rule)
        if not past_file and entry.file(rule.file).scope == "user":
            return f"usagectl disable {entry.name}"
    if not past_file and can_be_written(entry):
        return f"usagectl disable {entry.name}"
    if _has_project_file(entry, environment, version):
        return f"usagectl disable --project {entry.name}"
    return next((each.run for each in entry.commands), f"usagectl explain {entry.name}")


def _has_project_file(entry: Entry, environment: Environment, version: str | None) -> bool:
    if all(file.scope == "machine" for file in entry.files):
        return False
    from usagectl.tools import catalogued_switching  # Of use to few tools.

    return catalogued_switching.writes_project(entry, environment, version or entry.version)


def _export(rule: SwitchRule) -> str:
    return f"export {rule.variables[0]}={quote(str(rule.write))}"


def _way_of(rule: SwitchRule, reading: Reading, environment: Environment) -> str:
    """Return what says with one switch what was meant; another one's where it is not written."""
    if rule.variables and rule.write is not None:
        return _export(rule)
    return way_off(reading.entry, environment, reading.version)


def _repair_of(tried: Tried, reading: Reading) -> str:
    """Return what lets a tool run again that a value breaks."""
    rule, entry = tried.rule, reading.entry
    if rule.variables:
        return f"unset {tried.switch.name}" if rule.write is None else _export(rule)
    scope = entry.file(rule.file).scope
    if rule.write is None or scope == "machine":
        return f"usagectl explain {entry.name}"  # It says which values the tool takes.
    return f"usagectl disable {'--project ' if scope == 'project' else ''}{entry.name}"


def _said(switch: Switch) -> str:
    value = "" if switch.value is None else f"={switch.value or '(empty)'}"
    place = "" if switch.origin in ("", "environment") else f" in {switch.origin}"
    return f"{switch.name}{value}{place}"


def _is_loud(reading: Reading) -> bool:
    return reading.verdict.telemetry in ("on", "unknown")


def _breaking(reading: Reading) -> Iterator[Caution]:
    title, problems = reading.entry.title, {str(path): why for path, why in reading.problems}
    for each in reading.speaking:
        if each.outcome != "breaks":
            continue
        if problem := problems.get(each.switch.origin):  # No key of that file can be written.
            message, hint = f"{title} stops with an error: {problem}", _look_at(each.switch.origin)
        else:
            message = f"{title} stops with an error because of {_said(each.switch)}."
            hint = _repair_of(each, reading)
        yield Caution(BREAKS, message, hint, "error")


def _misread(reading: Reading, environment: Environment) -> Iterator[Caution]:
    """Warn of a value that a person takes for the contrary of what it does."""
    title, is_loud = reading.entry.title, _is_loud(reading)
    for each in reading.tried:
        if each.rule.reach == "ci" or each.outcome == "breaks":
            continue
        wish, way = _wish_of(each), _way_of(each.rule, reading, environment)
        said = _said(each.switch)
        if wish == "off" and each.outcome in ("ignored", "on") and is_loud:
            message = f"{said} does not switch {title} off, although it reads so."
            yield Caution("value-ignored", message, way)
        elif wish == "on" and each.outcome == "off":
            message = f"{said} switches {title} off, although it reads like the contrary."
            yield Caution("works-by-accident", message, way)


def _wish_of(tried: Tried) -> str:
    """Say what a person who wrote a value wanted: `off`, `on`, or nothing that could be told."""
    word = (tried.switch.value or "").strip().strip("'\"").lower()
    meaning = _meaning_of(tried.rule, tried.switch.name)
    if not meaning or word in _OFF:
        return "off" if meaning else ""
    yes, no = ("off", "on") if meaning == "opt-out" else ("on", "off")
    return yes if word in _YES else no if word in _NO else ""


def _meaning_of(rule: SwitchRule, name: str) -> str:
    """Say what a yes means for a switch, by its name and the value that is safe to write."""
    words = [word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)]
    if not _OPT_OUT.isdisjoint(words):
        return "opt-out"
    if rule.write is not None:
        return "opt-out" if str(rule.write).lower() in _YES else "opt-in"
    return "opt-in" if words and words[-1] in _OPT_IN else ""


def _partial(reading: Reading, environment: Environment) -> Iterator[Caution]:
    """Warn where a switch silences a part and another goes on."""
    entry, senders = reading.entry, reading.verdict.senders
    if reading.verdict.telemetry != "on":
        return
    loud = [entry.parts[part] for part, says in senders.items() if says == "on"]
    for each in reading.speaking:
        if each.outcome == "off" and each.rule.covers and each.switch.value is not None:
            quiet = _in_words([entry.parts[part] for part in each.rule.covers])
            message = f"{_said(each.switch)} silences only {quiet}. Still sent: {_in_words(loud)}."
            yield Caution("covers-part", message, way_off(entry, environment, reading.version))


def _in_words(names: list[str]) -> str:
    return " and ".join(names)


def _do_not_track(reading: Reading, environment: Environment) -> Iterator[Caution]:
    entry = reading.entry
    knows_it = any(_SHARED in rule.variables for rule in entry.switches)
    if _is_loud(reading) and not knows_it and is_no(environment.variables.get(_SHARED)):
        message = f"{_SHARED} is set, but {entry.title} does not read it."
        yield Caution("do-not-track-ignored", message, way_off(entry, environment, reading.version))


def _unreadable(reading: Reading) -> Iterator[Caution]:
    """Warn of files that cannot be read or understood, unless the tool stops because of them."""
    told = {each.switch.origin for each in reading.speaking if each.outcome == "breaks"}
    for path, problem in reading.problems:
        if str(path) not in told:
            yield Caution("file-unreadable", problem, _look_at(str(path)))


def _look_at(path: str) -> str:
    return f"ls -l {quote(path)}"
