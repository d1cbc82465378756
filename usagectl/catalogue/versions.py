"""Comparison of a release's number with the ranges of the catalogue."""

from __future__ import annotations

import operator
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TESTS: tuple[tuple[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]], ...] = (
    (">=", operator.ge),
    ("<=", operator.le),
    ("==", operator.eq),
    (">", operator.gt),
    ("<", operator.lt),
)


def is_within(version: str | None, ranges: str) -> bool:
    """True if a version lies in every range, such as `>=2,<3`; an unknown one lies in all."""
    if version is None or not ranges:
        return True
    return all(_holds(version, each.strip()) for each in ranges.split(","))


def _holds(version: str, test: str) -> bool:
    sign, compare = next(each for each in _TESTS if test.startswith(each[0]))
    ours, theirs = numbers_of(version), numbers_of(test.removeprefix(sign))
    width = max(len(ours), len(theirs))
    return compare(_padded(ours, width), _padded(theirs, width))


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: those of `16.4.6-canary.1` are 16, 4 and 6."""
    from_digit = "".join(dropwhile(lambda each: not each.isdecimal(), version))
    numbers = "".join(takewhile(lambda each: each.isdecimal() or each == ".", from_digit))
    return tuple(int(text[:18]) for text in takewhile(bool, numbers.split(".")))


def _padded(numbers: tuple[int, ...], width: int) -> tuple[int, ...]:
    return numbers + (0,) * (width - len(numbers))
