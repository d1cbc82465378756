"""Own how a rule is named on a command line: by its ID, or by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.audit import rules
from usagectl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from usagectl.audit.rules import Rule


def find(name: str) -> Rule:
    """Return the rule of that ID or name.

    Raises:
        UnknownRuleError: there is none.
    """
    for rule in rules.RULES:
        if name.strip().lower() in (rule.id.lower(), rule.name):
            return rule
    raise UnknownRuleError(name)


class UnknownRuleError(UsageError):
    """Tell that no rule goes by that ID or name."""

    code = "unknown-rule"

    def __init__(self, name: str) -> None:
        from difflib import get_close_matches  # a slip of the finger alone needs it

        candidates = [word for rule in rules.RULES for word in (rule.name, rule.id)]
        near = get_close_matches(name.strip().upper(), candidates, n=1) or get_close_matches(
            name.strip().lower(), candidates, n=1
        )
        guess = f" Did you mean {near[0]}?" if near else ""
        super().__init__(
            f"{name!r} is no rule of an audit.{guess}", hint="usagectl audit --list-rules"
        )


def select(names: Iterable[str]) -> frozenset[str] | None:
    """Turn IDs and names of rules into IDs; None for no names, which is all rules.

    Raises:
        UnknownRuleError: one is none.
    """
    return frozenset(find(name).id for name in names) or None
