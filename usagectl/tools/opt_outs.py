"""The variables that silence every known tool, each with the one value that is safe for all.

A tool's own variable comes before one that other programs read too. A switch that holds for
some conditions alone (root, a container, CI) is none that a start-up file could rely on.
"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING

from usagectl import catalogue
from usagectl.catalogue.entry import Match, SwitchRule
from usagectl.catalogue.versions import is_within
from usagectl.errors import UnknownToolError
from usagectl.tools.forms import outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from usagectl.catalogue.entry import Entry


def known_names() -> tuple[str, ...]:
    """Name every tool that is known on any machine, those of a class first."""
    return tuple(dict.fromkeys((*catalogue.modules(), *catalogue.names())))


def opt_out_variables(names: Sequence[str] = ()) -> dict[str, str]:
    """Return the variables that silence the named tools, or all of them.

    A name stands for one value: of those that two tools want, the one that silences both;
    where there is none, the later tool takes another switch of its own.

    Raises:
        UnknownToolError: no tool goes by one of the names.
    """
    for name in names:
        if name not in known_names():
            raise UnknownToolError(name, known=known_names())
    chosen = [name for name in known_names() if not names or name in names]
    return together(map(catalogue.entry, chosen))


def together(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the variables that silence some tools, those of the earlier ones first."""
    found: dict[str, str] = {}
    heeded_by: dict[str, list[SwitchRule]] = {}
    for entry in entries:
        _add(entry, found, heeded_by)
    return found


def opt_out_of(name: str) -> dict[str, str]:
    """Return the variables that silence one tool as far as any does; empty without one."""
    return opt_out_variables([name])


def ways_of(entry: Entry) -> Iterator[Sequence[SwitchRule]]:
    """Yield the switches that could be set for a tool, the best first.

    One of its own, several, a shared one, both kinds; in the end those of older releases, where
    the newest has none or sends nothing.
    """
    if entry.module:
        yield [_exactly(name, value) for name, value in entry.opt_out.items()]
    rules = [rule for rule in entry.switches if _is_written(rule)]
    newest = [rule for rule in rules if is_within(entry.version, rule.versions)]
    own = [rule for rule in newest if rule.reach == "own"]
    shared = [rule for rule in newest if rule.reach == "shared"]
    yield from ([rule] for rule in own if not rule.covers)
    together = _cover(own, entry.parts)
    if _covered(together) >= set(entry.parts):
        yield together
    yield from ([rule] for rule in shared if not rule.covers)
    yield _cover(own + shared, entry.parts)
    yield from ([rule] for rule in rules if rule not in newest)


def silencing(variables: Mapping[str, str]) -> set[str]:
    """Name the variables that silence a tool by the values they have, shared ones too."""
    return {
        name
        for entry in map(catalogue.entry, known_names())
        for rule in (*entry.switches, *starmap(_exactly, entry.opt_out.items()))
        for name in rule.variables
        if rule.reach != "ci" and name in variables and is_silent(rule, variables[name])
    }


def is_silent(rule: SwitchRule, value: str) -> bool:
    """True if a tool sends nothing for a value of its switch."""
    return outcome(rule, value) in ("off", "local")


def _add(entry: Entry, found: dict[str, str], heeded_by: dict[str, list[SwitchRule]]) -> None:
    """Add what silences a tool to the variables of those before it."""
    for way in filter(None, ways_of(entry)):
        values: dict[str, str] = {}
        for rule in way:
            name = rule.variables[0]
            value = _common(found.get(name), str(rule.write), (rule, *heeded_by.get(name, ())))
            values |= {} if value is None else {name: value}
        if len(values) == len(way):
            found |= values
            for rule in way:
                heeded_by.setdefault(rule.variables[0], []).append(rule)
            return


def _common(taken: str | None, wanted: str, rules: Sequence[SwitchRule]) -> str | None:
    """Return the value that silences all that heed it: the one that was there, or the new one."""
    candidates = (wanted,) if taken is None else (taken, wanted)
    return next((v for v in candidates if all(is_silent(rule, v) for rule in rules)), None)


def _exactly(name: str, value: str) -> SwitchRule:
    """Return the switch of a tool that is no form's: no other value is known to be safe."""
    return SwitchRule(variables=(name,), off=Match("equals", (value,)), write=value)


def _is_written(rule: SwitchRule) -> bool:
    return bool(rule.variables) and rule.write is not None and not rule.when and rule.reach != "ci"


def _cover(rules: Sequence[SwitchRule], parts: Collection[str]) -> list[SwitchRule]:
    """Pick switches, in their order, of which each silences a part that none before it does."""
    chosen: list[SwitchRule] = []
    for rule in rules:
        if set(rule.covers or parts) - _covered(chosen):
            chosen.append(rule)
    return chosen


def _covered(rules: Sequence[SwitchRule]) -> set[str]:
    return {part for rule in rules for part in rule.covers}
