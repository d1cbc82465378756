"""The variables that silence every known tool, each with the one value that is safe for all.

A tool's own variable comes before one that other programs read too. A switch that holds for
some conditions alone (root, a container, CI) is none that a start-up file could rely on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl import catalogue
from usagectl.catalogue.versions import is_within
from usagectl.errors import UnknownToolError
from usagectl.tools import base

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from usagectl.catalogue.entry import Entry, SwitchRule


def known_names() -> tuple[str, ...]:
    """Name every tool that is known on any machine, those of a class first."""
    return tuple(dict.fromkeys((*base.names(), *catalogue.names())))


def opt_out_variables(names: Sequence[str] = ()) -> dict[str, str]:
    """Return the variables that silence the named tools, or all of them.

    A name stands for one value: of two tools that want different ones, the later takes
    another switch of its own, or has none here.

    Raises:
        UnknownToolError: no tool goes by one of the names.
    """
    for name in names:
        if name not in known_names():
            raise UnknownToolError(name, known=known_names())
    found: dict[str, str] = {}
    for name in known_names():
        if not names or name in names:
            found |= opt_out_of(name, taken=found)
    return found


def opt_out_of(name: str, *, taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that silence one tool; empty where none does, or can beside `taken`."""
    entry = catalogue.entry(name)
    if entry.module:
        return dict(entry.opt_out)
    for way in _ways(entry):
        variables = {rule.variables[0]: str(rule.write) for rule in way}
        if variables and all((taken or {}).get(each, v) == v for each, v in variables.items()):
            return variables
    return {}


def _ways(entry: Entry) -> Iterator[Sequence[SwitchRule]]:
    """Yield what could be set, the best first: one own switch, several, a shared one, both."""
    rules = [rule for rule in entry.switches if _is_written(rule, entry.version)]
    own = [rule for rule in rules if rule.reach == "own"]
    shared = [rule for rule in rules if rule.reach == "shared"]
    yield from ([rule] for rule in own if not rule.covers)
    together = _cover(own, entry.parts)
    if _covered(together) >= set(entry.parts):
        yield together
    yield from ([rule] for rule in shared if not rule.covers)
    yield _cover(own + shared, entry.parts)


def _is_written(rule: SwitchRule, version: str) -> bool:
    return (
        bool(rule.variables)
        and rule.write is not None
        and not rule.when
        and is_within(version, rule.versions)
    )


def _cover(rules: Sequence[SwitchRule], parts: Collection[str]) -> list[SwitchRule]:
    """Pick switches, in their order, of which each silences a part that none before it does."""
    chosen: list[SwitchRule] = []
    for rule in rules:
        if set(rule.covers or parts) - _covered(chosen):
            chosen.append(rule)
    return chosen


def _covered(rules: Sequence[SwitchRule]) -> set[str]:
    return {part for rule in rules for part in rule.covers}
