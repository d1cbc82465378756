"""Outputs compared: where one with telemetry on differs from those with telemetry off.

What differs between those, such as a printed time, is not telemetry's doing.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINE_CHARACTERS = 100


class IncomparableError(Exception):
    """The output differs so much without telemetry that nothing can be compared."""


def difference(without: Sequence[bytes], found: bytes) -> str:
    """Say where an output differs from those without telemetry; empty if it does not.

    Raises:
        IncomparableError: those have different numbers of lines.
    """
    if found in without:
        return ""
    shapes = {shape for each in without if (shape := _shape(each))}
    if len(shapes) == 1 and all(map(_shape, without)):
        shape = _shape(found)
        if not shape:
            return "it is not JSON any more"
        if shape not in shapes:
            return "its JSON has other members"
    sets = [each.split(b"\n") for each in without]
    if len({len(lines) for lines in sets}) > 1:
        if len(shapes) == 1:
            return ""
        raise IncomparableError
    return _first_other_line(sets, found.split(b"\n"))


def _first_other_line(sets: Sequence[Sequence[bytes]], found: Sequence[bytes]) -> str:
    for number, (mine, *others) in enumerate(zip_longest(found, *sets), start=1):
        is_steady = len(set(others)) == 1
        is_missing = mine is None or others[0] is None
        if is_missing or (is_steady and mine != others[0]):
            return f"line {number} is {_shown(mine)} instead of {_shown(others[0])}"
    return ""


def _shown(line: bytes | None) -> str:
    if line is None:
        return "missing"
    text = repr(line.decode("utf-8", "replace"))
    return text if len(text) <= _LINE_CHARACTERS else f"{text[:_LINE_CHARACTERS]}…"


def _shape(output: bytes) -> str:
    """Return the form of a JSON answer, without its values; empty for another text."""
    try:
        document = json.loads(output)
    except (ValueError, RecursionError):
        return ""
    return json.dumps(_form(document), sort_keys=True) if isinstance(document, dict | list) else ""


def _form(value: object) -> object:
    if isinstance(value, dict):
        return {name: _form(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_form(value[0])] if value else []
    return type(value).__name__
