"""Edits of YAML text by the places that its parser names: one key put in, changed or taken out.

Nothing is written anew by the library, which would change quotes and line ends that are a
person's own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from usagectl.errors import LibraryMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP = "  "


def put(text: str, key: Sequence[str], value: object) -> str:
    """Set a key, and make the mappings on the way to it.

    Raises:
        ValueError: something else stands on the way, or the text is no single document.
    """
    node = _compose(text)
    if node is None:
        return _append(text, _lines(key, value, "", _line_break(text)))
    for at, name in enumerate(key):
        pair = _find(node, name)
        if pair is None:
            return _insert(text, node, key[at:], value)
        node = pair[1]
        if _is_empty(node):
            return _fill(text, pair[0], key[at + 1 :], value)
    if node.id != "scalar":
        raise ValueError(key)
    return text[: node.start_mark.index] + _scalar(value) + text[node.end_mark.index :]


def take_out(text: str, key: Sequence[str]) -> str:
    """Take a key out, with the lines of its value.

    Raises:
        ValueError: something else stands on the way, or the text is no single document.
    """
    node = _compose(text)
    for name in key[:-1]:
        pair = None if node is None or _is_empty(node) else _find(node, name)
        if pair is None:
            return text
        node = pair[1]
    pair = None if node is None or _is_empty(node) else _find(node, key[-1])
    if pair is None:
        return text
    return _without_in_flow(text, node, pair) if node.flow_style else _without_lines(text, pair)


def _compose(text: str) -> Any:  # noqa: ANN401  (ruamel.yaml's own nodes)
    try:
        from ruamel.yaml import YAML  # only a tool's YAML file needs it
        from ruamel.yaml.error import YAMLError
    except ModuleNotFoundError as error:
        raise LibraryMissingError("ruamel.yaml") from error
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        raise ValueError(text) from error


def _find(node: Any, name: str) -> tuple[Any, Any] | None:  # noqa: ANN401
    """Return key and value of a name in a mapping; of several the last."""
    if node.id != "mapping":
        raise ValueError(name)
    return next((pair for pair in reversed(node.value) if pair[0].value == name), None)


def _fill(text: str, name: Any, key: Sequence[str], value: object) -> str:  # noqa: ANN401
    """Give a name without a value one; the rest of the key stands on lines of its own."""
    line = _line_break(text)
    new = f"{line}{_lines(key, value, _column_of(name) + _STEP, line)}" if key else _scalar(value)
    at = text.index(":", name.end_mark.index) + 1
    return f"{text[:at]}{'' if key else ' '}{new}{text[at:]}"


def _insert(text: str, node: Any, key: Sequence[str], value: object) -> str:  # noqa: ANN401
    """Put a key at the end of a mapping."""
    line = _line_break(text)
    if node.flow_style:
        return _insert_in_flow(text, node, key, value)
    indentation = _column_of(node.value[0][0])
    new = _lines(key, value, indentation, line)
    at = _end_of(node)
    if text[at - 1 : at] == "\n":
        return text[:at] + new + line + text[at:]
    rest = text.find("\n", at)
    rest = len(text) if rest < 0 else rest - (text[rest - 1] == "\r")
    if text[at:rest].strip() and not text[at:rest].lstrip().startswith("#"):
        raise ValueError(key)
    return text[:rest] + line + new + text[rest:]


def _insert_in_flow(text: str, node: Any, key: Sequence[str], value: object) -> str:  # noqa: ANN401
    new = f"{_name(key[-1])}: {_scalar(value)}"
    for name in reversed(key[:-1]):
        new = f"{_name(name)}: {{{new}}}"
    if not node.value:
        return f"{text[: node.start_mark.index + 1]}{new}{text[node.end_mark.index - 1 :]}"
    at = node.value[-1][1].end_mark.index
    return f"{text[:at]}, {new}{text[at:]}"


def _without_in_flow(text: str, node: Any, pair: tuple[Any, Any]) -> str:  # noqa: ANN401
    at = node.value.index(pair)
    start, end = pair[0].start_mark.index, pair[1].end_mark.index
    if at > 0:
        start = node.value[at - 1][1].end_mark.index
    elif len(node.value) > 1:
        end = node.value[1][0].start_mark.index
    return text[:start] + text[end:]


def _without_lines(text: str, pair: tuple[Any, Any]) -> str:
    """Take the lines of a key out; raises ValueError if anything else stands on them."""
    start = text.rfind("\n", 0, pair[0].start_mark.index) + 1
    if text[start : pair[0].start_mark.index].strip():
        raise ValueError(start)
    end = _end_of(pair[1])
    if text[end - 1 : end] != "\n":
        rest = text.find("\n", end)
        end = len(text) if rest < 0 else rest + 1
    if end == len(text) and not text.endswith("\n"):  # A file without a final line end keeps none.
        start -= len(text[:start]) - len(text[:start].removesuffix("\n").removesuffix("\r"))
    return text[:start] + text[end:]


def _end_of(node: Any) -> int:  # noqa: ANN401
    """Return where the last value in a node ends."""
    while node.id in ("mapping", "sequence") and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if node.id == "mapping" else last
    return int(node.end_mark.index)


def _append(text: str, new: str) -> str:
    line = _line_break(text)
    return f"{text}{'' if not text or text.endswith(line) else line}{new}{line}"


def _lines(key: Sequence[str], value: object, indentation: str, line: str) -> str:
    """Write a key whose value may be nested, on lines of its own."""
    found = [f"{indentation}{_STEP * depth}{_name(name)}:" for depth, name in enumerate(key)]
    return f"{line.join(found)} {_scalar(value)}"


def _is_empty(node: Any) -> bool:  # noqa: ANN401
    return bool(node.id == "scalar" and node.start_mark.index == node.end_mark.index)


def _column_of(node: Any) -> str:  # noqa: ANN401
    return " " * int(node.start_mark.column)


def _name(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)


def _scalar(value: object) -> str:
    return json.dumps(value)


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
