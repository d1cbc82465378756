"""Own how a value of an event is shown: never more than two of its characters."""

from __future__ import annotations

_SHOWN = 2
_LONG_ENOUGH = 8
_TYPES = {
    str: "text",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "object",
}


def mask(value: object) -> str:
    """Show of a text its first two characters where it has eight or more; else its type alone."""
    if isinstance(value, str):
        head = value[:_SHOWN] if len(value) >= _LONG_ENOUGH else ""
        shown = head if head.isascii() and head.isalnum() else ""
        return f"{shown}{'*' * 6}" if value else "empty text"
    return "null" if value is None else _TYPES.get(type(value), "value")


def reveal(value: object) -> str:
    """Show a value whole, up to a length that a line can hold."""
    if isinstance(value, str):
        return clean(value, most=500)
    return mask(value) if isinstance(value, (dict, list)) else str(value)[:100]


def clean(text: str, *, most: int = 80) -> str:
    """Make a text printable in any encoding and of bounded length."""
    short = text if len(text) <= most else f"{text[:most]}…"
    return short.encode("utf-8", "backslashreplace").decode("utf-8")
