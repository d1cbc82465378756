"""What a tool makes of a value: each form of the catalogue's switches, tried on it.

A value is a text of the environment, or what a parsed file holds, with its type: JSON's
false is neither the text "false" nor 0.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from usagectl.catalogue.entry import Form, Match, Outcome, SwitchRule


class Missing:
    """The value of a variable that is not set, or of a key that no file has."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


def outcome(rule: SwitchRule, value: object) -> Outcome:
    """Say what a switch does with a value; what is not there does something by `missing` alone."""
    tests: tuple[tuple[Literal["off", "on", "local"], Match | None], ...] = (
        ("off", rule.off),
        ("on", rule.on),
        ("local", rule.local),
    )
    if rule.empty is not None and isinstance(value, str):
        trims = any(test.trim for _, test in tests if test)
        if not (value.strip() if trims else value):
            return rule.empty
    for said, test in tests:
        if test and matches(test, value):
            return said
    return "ignored" if value is MISSING else rule.other


def matches(test: Match, value: object) -> bool:
    """True if a value passes a test."""
    if value is MISSING or test.form == "missing":
        return value is MISSING and test.form == "missing"
    return _FORMS[test.form](test, _normal(test, value))


def _normal(test: Match, value: object) -> object:
    if not isinstance(value, str):
        return value
    trimmed = value.strip() if test.trim else value
    return trimmed if test.case else trimmed.lower()


def _wanted(test: Match) -> list[object]:
    """Return what a value is compared with; its spaces count, such as that of "on "."""
    return [_normal(test._replace(trim=False), value) for value in test.values]


def _is_same(one: object, other: object) -> bool:
    """True for equal values of one type; whole and broken numbers are of one, as in JSON."""
    if _is_number(one) and _is_number(other):
        return one == other
    return type(one) is type(other) and one == other


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_one_of(test: Match, value: object) -> bool:
    return any(_is_same(value, wanted) for wanted in _wanted(test))


def _begins(test: Match, value: object) -> bool:
    return isinstance(value, str) and any(
        isinstance(wanted, str) and value.startswith(wanted) for wanted in _wanted(test)
    )


def _is_positive(test: Match, value: object) -> bool:
    number = _number_of(value)
    return _is_one_of(test, value) or (number is not None and number > 0)


def _number_of(value: object) -> float | None:
    """Read a number, of a text the one it begins with, as JavaScript's `parseInt` does."""
    if not isinstance(value, str):
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    digits = re.match(r"[+-]?[0-9]{1,300}", value.lstrip(_JAVASCRIPT_SPACES))
    return int(digits[0]) if digits else None


_JAVASCRIPT_SPACES = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def _is_truthy(_test: Match, value: object) -> bool:
    return bool(value) and not _is_disputed(value)


def _is_falsy(_test: Match, value: object) -> bool:
    return not value and not _is_disputed(value)


def _is_disputed(value: object) -> bool:
    """True where JavaScript and Python differ: of NaN, and of what is empty but no text."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return is_nan or (isinstance(value, list | dict) and not value)


def _is_later(test: Match, value: object) -> bool:
    instant, bounds = _instant_of(value), [_instant_of(each) for each in test.values]
    return instant is not None and all(bound is None or instant > bound for bound in bounds)


def _is_debugged(test: Match, value: object) -> bool:
    """True if a list as npm's `debug` reads it names one of the values: `a:*,-a:b c`."""
    names = re.split(r"[\s,]+", value) if isinstance(value, str) else []
    out = [name[1:] for name in names if name.startswith("-")]
    return any(
        _names_one(names, wanted) and not _names_one(out, wanted)
        for wanted in map(str, test.values)
    )


def _names_one(names: list[str], wanted: str) -> bool:
    patterns = (re.escape(name).replace(r"\*", ".*") for name in names)
    return any(re.fullmatch(pattern, wanted) for pattern in patterns)


def _instant_of(value: object) -> datetime | None:
    """Read a date: ISO 8601, TOML's, or JavaScript's milliseconds since 1970."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = datetime.fromtimestamp(value / 1000, UTC)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


_FORMS: Mapping[Form, Callable[[Match, object], bool]] = {
    "set": lambda _test, _value: True,
    "non-empty": lambda _test, value: value is not None and value != "",
    "equals": _is_one_of,
    "one-of": _is_one_of,
    "anything-but": lambda test, value: not _is_one_of(test, value),
    "first-letter": _begins,
    "positive-number": _is_positive,
    "truthy": _is_truthy,
    "falsy": _is_falsy,
    "later-than": _is_later,
    "debug-names": _is_debugged,
}
"""By form, the test of a value that is there; `missing` is the one that is not."""
