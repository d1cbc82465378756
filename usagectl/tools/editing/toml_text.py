"""Edits of TOML text by tomlkit: one key put in, changed or taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def put(text: str, key: Sequence[str], value: object) -> str:
    """Set a key, and make the tables on the way to it.

    Raises:
        ValueError: the form of the text allows no such change.
    """
    return _changed(text, lambda document: _put(document, key, value))


def take_out(text: str, key: Sequence[str]) -> str:
    """Take a key out.

    Raises:
        ValueError: the form of the text allows no such change.
    """
    return _changed(text, lambda document: _take_out(document, key))


def _changed(text: str, change: Callable[[Any], None]) -> str:
    import tomlkit  # only a command that writes needs it

    try:
        document = tomlkit.parse(text)
        change(document)
        return _as_before(text, tomlkit.dumps(document))
    except Exception as error:  # It raises of many kinds where a file mixes its ways of nesting.
        raise ValueError(text) from error


def _put(table: Any, key: Sequence[str], value: object) -> None:  # noqa: ANN401  (tomlkit's own)
    import tomlkit

    for at, name in enumerate(key[:-1]):
        if name not in table:
            table[name] = tomlkit.table(is_super_table=at + 2 < len(key))
        table = table[name]
    table[key[-1]] = value


def _take_out(table: Any, key: Sequence[str]) -> None:  # noqa: ANN401
    for name in key[:-1]:
        table = table.get(name, {})
    table.pop(key[-1], None)


def _as_before(text: str, after: str) -> str:
    """Give new lines the line ends of the file, and the file no final one where it had none."""
    if "\r\n" in text:
        after = after.replace("\r\n", "\n").replace("\n", "\r\n")
    is_open = bool(text) and not text.endswith("\n")
    return after.removesuffix("\n").removesuffix("\r") if is_open else after
