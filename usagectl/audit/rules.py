"""Rules of an audit: what each is called, how bad it is, what it rests on, where it holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.errors import UsageError, nearest
from usagectl.machine.files import read_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Level = Literal["error", "warning", "note"]

LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""Worst first."""


class Rule(NamedTuple):
    """One rule, as `data/rules.json` describes it; its code stands in `checks` or `search`."""

    id: str  # Stable; scripts and baselines rely on it.
    name: str  # The same in words.
    title: str  # One sentence: what a finding says.
    explanation: str  # Why it matters, and what does not count.
    # Whose sentence of the notice: the ID of a promise or departure, or `field` for the field's.
    rests_on: str
    known: Sequence[str] = ()  # Departures that explain a finding, most telling first.
    advice: str = "usagectl disable"
    level: Level = "error"  # Of a finding that no known departure explains.


RULES: tuple[Rule, ...] = tuple(Rule(**each) for each in json.loads(read_data("rules.json")))
BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}

INSTEAD: Mapping[tuple[str, str], str] = {
    ("cli_cmd", "/metadata/session_id"): "UC201",
    ("run_init", "/metadata/session_id"): "UC203",
    ("ls_metrics", "/metadata/session_id"): "UC203",
    ("aws_request_agg", "/payload/api_calls/*/err_type"): "UC304",
}
"""Undocumented fields that have a rule of their own in place of `undocumented-field`."""

_SECRETS = ("UC302", "UC401", "UC402", "UC503", "UC504")
_TYPED = ("UC401",)

EXEMPT: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("session", "/payload/api_key"): (*_SECRETS, "UC403", "UC404", "UC501", "UC505"),
    ("session", "/payload/version"): ("UC401", "UC502"),
    ("session", "/payload/system"): ("UC306", "UC401"),
    ("aws_request", "/payload/service"): _TYPED,
    ("aws_request", "/payload/operation"): _TYPED,
    ("aws_request", "/payload/region"): _TYPED,
    ("aws_request", "/payload/account_id"): _TYPED,
    ("aws_request", "/payload/user_agent"): ("UC306", "UC401", "UC502"),
    ("aws_request", "/payload/stack_trace"): ("UC305", "UC306", "UC405"),
    ("aws_request_agg", "/payload/api_calls/*/service"): _TYPED,
    ("aws_request_agg", "/payload/api_calls/*/operation"): _TYPED,
    ("unparsed", "/body"): ("UC306",),
}
"""Rules that do not hold in a field, because the notice describes such a content."""


def find(name: str) -> Rule:
    """Return the rule of that ID or name.

    Raises:
        UnknownRuleError: no rule has that ID or name.
    """
    for rule in RULES:
        if name.strip().lower() in (rule.id.lower(), rule.name):
            return rule
    raise UnknownRuleError(name)


class UnknownRuleError(UsageError):
    """No rule has that ID or name."""

    code = "unknown-rule"

    def __init__(self, name: str) -> None:
        candidates = [word for rule in RULES for word in (rule.name, rule.id)]
        typed = name.strip()
        near = nearest(typed.upper(), candidates) or nearest(typed.lower(), candidates)
        guess = f" Did you mean {near}?" if near else ""
        message = f"{name!r} is not an audit rule.{guess}"
        super().__init__(message, hint="usagectl audit --list-rules")


def select(names: Iterable[str]) -> frozenset[str]:
    """Turn IDs and names of rules into IDs.

    Raises:
        UnknownRuleError: no rule has one of them.
    """
    return frozenset(find(name).id for name in names)
