"""Rows of a verification: each switch with each value that is tried, and what is run beside them.

A row says what is done before the tool's commands are run. What is expected of it is not written
here: `consent` judges the very home in which the row is run.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.errors import InvalidValueError
from usagectl.machine import toml
from usagectl.tools import places
from usagectl.tools.editing import TYPED, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from usagectl.catalogue.entry import Entry, SwitchRule
    from usagectl.machine.environment import Environment
    from usagectl.verify.subject import Subject

Kind = Literal["on", "switch", "silent", "values", "delay"]
"""What a row is about: telemetry on, a switch, a command that never sends, typed values, time."""

ODD = ("", "0", "false", "no", "1", "true", "TRUE", "yes", "off", " 1 ")
"""What people set variables to, whatever a tool's documentation says."""

GENERAL = {"DO_NOT_TRACK": "1", "CI": "true"}
DEAD = ("hang", "error", "refuse")
"""How an endpoint behaves that a careless tool waits for or tells of."""

DISABLE = "usagectl disable"
_ODD_IN_FILE = "perhaps"
_BROKEN = '{"[<: '
_CAN_BREAK = (*TYPED, "xml")


class Edit(NamedTuple):
    """What is written to a file of the tool."""

    rule: SwitchRule | None = None  # None: whatever `usagectl disable` writes.
    value: object = None
    broken: str = ""  # Instead of a value, a text that no parser takes.


class Row(NamedTuple):
    """One run of the tool's commands, or one rule on what such runs showed."""

    kind: Kind
    switch: str = ""  # A variable, a file's key, a command; or the rule's subject.
    value: str = ""
    variables: Mapping[str, str] = MappingProxyType({})
    edit: Edit | None = None
    before: str = ""  # The tool's own command that is run first.
    sends_before: bool = False  # Whether that command reports, so that it is not recorded.
    has_waiting: bool = False  # Whether the commands ran before with telemetry on, to nobody.
    words: str = ""  # The command line that is run instead of the tool's sending ones.

    @property
    def key(self) -> tuple[str, ...]:
        """What tells the row from the others of its tool."""
        return (self.kind, self.switch, self.value)

    @property
    def name(self) -> str:
        """The row in a few words, the same each time."""
        value = repr(self.value) if self.variables else self.value
        return f"{self.switch} {value}" if value else self.switch


ON = Row("on", "telemetry on")
"""The row on which every other rests."""


def plan(
    subject: Subject, environment: Environment, *, quick: bool = False, switches: Sequence[str] = ()
) -> tuple[Row, ...]:
    """List the rows of a tool, the one with telemetry on first.

    `quick` leaves odd values, files that are edited by hand, and dead endpoints out; `switches`
    names those that are tried alone.

    Raises:
        InvalidValueError: a name of `switches` is none of the tool's.
    """
    found = [*_switches(subject, environment, quick=quick)]
    known = list(dict.fromkeys(row.switch for row in found))
    if unknown := [each for each in switches if each not in known]:
        raise InvalidValueError("switch", unknown[0], wanted=f"use {', '.join(known)}")
    if switches:
        return (ON, *(row for row in found if row.switch in switches))
    lines = subject.entry.silent_commands
    silent = [Row("silent", "silent", words, words=words) for words in lines]
    delays = [Row("delay", "dead endpoint", answer) for answer in DEAD if not quick]
    return (ON, *found, *silent, Row("values", "typed values"), *delays)


def _switches(subject: Subject, environment: Environment, *, quick: bool) -> Iterator[Row]:
    """Yield every switch with every value: variables, what `disable` writes, files, commands."""
    entry = subject.entry
    rules = places.heeded(entry, environment, subject.version)
    tried = dict.fromkeys(_variables(entry, rules, quick=quick))
    yield from (Row("switch", name, value, {name: value}) for name, value in tried)
    if entry.module or any(rule.file for rule in rules):
        yield Row("switch", DISABLE, edit=Edit())
    if quick:
        return
    name, value = next(iter(tried))
    yield Row("switch", name, f"{value}, events waiting", {name: value}, has_waiting=True)
    keys = [rule.key for rule in rules if rule.file]
    for rule in (each for each in rules if each.file):
        yield from _edits(entry, rule, is_alone=keys.count(rule.key) == 1)
    for each in entry.commands:
        yield Row("switch", each.run, before=each.run, sends_before=each.sends)


def _variables(
    entry: Entry, rules: Sequence[SwitchRule], *, quick: bool
) -> Iterator[tuple[str, str]]:
    """Yield each variable with each value that is tried."""
    for rule in rules:
        for name in rule.variables:
            yield from ((name, value) for value in _texts(rule, quick=quick))
    for name, value in entry.opt_out.items():  # Of a tool whose switches have no form.
        yield from ((name, each) for each in (value, *(() if quick else ODD)))
    yield from list(GENERAL.items())[: 1 if quick else None]


def _texts(rule: SwitchRule, *, quick: bool) -> Iterator[str]:
    """Yield what a variable is set to, the value that is written first."""
    if rule.write is not None:
        yield as_text(rule.write)
    if quick:
        return
    yield from (each for each in rule.known_values if isinstance(each, str))
    if rule.reach != "ci":
        yield from ODD


def _edits(entry: Entry, rule: SwitchRule, *, is_alone: bool) -> Iterator[Row]:
    """Yield what a file is made to hold; a machine's file is not touched, a program not edited.

    A key that stands in another file too is named with its file.
    """
    file = entry.file(rule.file)
    if file.scope == "machine" or file.format == "code":
        return
    name = ".".join(rule.key) or file.name
    name = name if is_alone else f"{name} in {file.name}"
    if file.format == "marker":
        yield Row("switch", name, "present", edit=Edit(rule, ""))
        return
    given = [rule.write, rule.write_on, *rule.known_values, _ODD_IN_FILE]
    values = {toml.to_text(each): each for each in given if each is not None}
    for text, value in values.items():
        yield Row("switch", name, text, edit=Edit(rule, value))
    if file.format in _CAN_BREAK:
        yield Row("switch", name, "broken file", edit=Edit(rule, broken=_BROKEN))
