"""The check of an entry by the catalogue's schema: what is wrong, key by key, in words.

It knows as much of JSON Schema as `schema.json` uses, and which files an entry names. Authors'
files and our own entries are held against it; these by tests, which ask jsonschema too.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from usagectl import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST_SHOWN = 60

_KINDS: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}

Fault = tuple[str, str, str]
"""A key, what was found there, and what is wanted."""


def faults_of(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with an entry; names that lead nowhere come last."""
    schema = json.loads((catalogue.FOLDER / "schema.json").read_text(encoding="utf-8"))
    faults = [*_faults(data, schema, schema["$defs"])]
    yield from faults or _unknown_files(data)


def _unknown_files(data: Mapping[str, Any]) -> Iterator[Fault]:
    known = [each["name"] for each in data.get("file", ())]
    wanted = f"the name of a [[file]] ({', '.join(known) or 'there is none'})"
    for block in ("switch", "id"):
        for number, each in enumerate(data.get(block, ())):
            if each.get("file", "") not in ("", *known):
                yield f"{block}[{number}].file", repr(each["file"]), wanted
    for number, name in enumerate(data["detect"].get("traces", ())):
        if name not in known:
            yield f"detect.traces[{number}]", repr(name), wanted


def _faults(
    value: object, schema: Mapping[str, Any], definitions: Mapping[str, Any], key: str = ""
) -> Iterator[Fault]:
    """Yield what is wrong with a value by a schema, as far as the catalogue's schema goes."""
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    wanted = _wanted(schema)
    if not _is_valid(value, schema):
        yield key, _shown(value), wanted
        return
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _faults(each, schema.get("items", {}), definitions, f"{key}[{number}]")
    if isinstance(value, dict):
        yield from _faults_of_table(value, schema, definitions, f"{key}." if key else "")


def _faults_of_table(
    table: Mapping[str, Any], schema: Mapping[str, Any], definitions: Mapping[str, Any], head: str
) -> Iterator[Fault]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in table:
            yield f"{head}{name}", "missing", _wanted(known[name])
    choices = [" and ".join(each["required"]) for each in schema.get("oneOf", ())]
    if choices and sum(name in table for name in choices) != 1:
        yield head.removesuffix("."), "unclear", f"one of {', '.join(choices)}"
    for name, value in table.items():
        if name in known:
            yield from _faults(value, known[name], definitions, f"{head}{name}")
        elif not others:
            yield f"{head}{name}", "not known", f"one of {', '.join(known)}"
        elif isinstance(others, dict):
            yield from _faults(value, others, definitions, f"{head}{name}")


def _is_valid(value: object, schema: Mapping[str, Any]) -> bool:
    """True if a value passes the tests of its own, those of its members aside."""
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    is_kind = any(
        isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
        for kind in kinds
    )
    if kinds and not is_kind:
        return False
    if value not in schema.get("enum", [value]):
        return False
    if isinstance(value, int | float):
        return bool(value >= schema.get("minimum", float("-inf")))
    if isinstance(value, str):
        is_long = len(value) >= schema.get("minLength", 0)
        return is_long and bool(re.search(schema.get("pattern", ""), value))
    return not isinstance(value, list) or len(value) >= schema.get("minItems", 0)


def _wanted(schema: Mapping[str, Any]) -> str:
    """Say what a schema wants: its words, its choices or its kind."""
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kinds = schema.get("type", "a value")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    kind = {"object": "table", "array": "list", "string": "text"}.get(kind, kind)
    pattern = f" like {schema['pattern']}" if "pattern" in schema else ""
    said = schema.get("description", "").partition(". ")[0].rstrip(".")
    return f"{kind}{pattern}{f' ({said})' if said else ''}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
