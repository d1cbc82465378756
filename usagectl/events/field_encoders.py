"""Own how one value becomes JSON: an encoder gives its text, or None for what does not fit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, cast

from usagectl.events.text_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Encode = Callable[[object], str | None]

LARGEST = 2**63 - 1

_MOST_ITEMS = 4096
_LONGEST_REMEMBERED = 512
_REMEMBERED = 512


def encode_boolean(value: object) -> str | None:
    """Write true or false; a number is neither."""
    return "true" if value is True else "false" if value is False else None


def number_encoder(low: float, high: float, *, is_integer: bool) -> Encode:
    """Write numbers within limits; a truth value is none."""

    def encode(value: object) -> str | None:
        if isinstance(value, bool):
            return None
        if isinstance(value, int):
            return int.__repr__(value) if low <= value <= high else None
        if is_integer or not isinstance(value, float) or not low <= value <= high:
            return None  # Not a number and the infinities are outside of any limits.
        return float.__repr__(value)

    return encode


def choice_encoder(choices: Mapping[str, str]) -> Encode:
    """Write one of a list of texts, each with what is written for it."""

    def encode(value: object) -> str | None:
        return choices.get(value) if isinstance(value, str) else None

    return encode


def text_encoder(closing: str) -> Encode:
    """Close texts of one field; what often comes again, as most of them do, is remembered."""
    import json

    close = RULES[closing]

    def find(text: str) -> str | None:
        found = close(text)
        return json.dumps(found) if found is not None else None

    remember = lru_cache(_REMEMBERED)(find)

    def encode(value: object) -> str | None:
        if not isinstance(value, str):
            return None
        text = value if type(value) is str else str.__str__(value)
        return remember(text) if len(text) <= _LONGEST_REMEMBERED else find(text)

    return encode


def list_encoder(encode: Encode) -> Encode:
    """Write lists of what an encoder writes."""

    def encode_all(value: object) -> str | None:
        if not isinstance(value, (list, tuple)) or len(value) > _MOST_ITEMS:
            return None
        parts = [encode(each) for each in value]
        return None if None in parts else f"[{','.join(cast('list[str]', parts))}]"

    return encode_all
