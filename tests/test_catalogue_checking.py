"""Tests of the check of an entry: it agrees with the schema, and knows all that the schema uses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from usagectl import catalogue
from usagectl.catalogue.checking import faults_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLD = {"$schema", "$id", "$defs", "title", "description", "default"}
CHECKED = {
    *("type", "enum", "pattern", "minLength", "minimum", "minItems", "$ref"),
    *("properties", "additionalProperties", "required", "items", "oneOf"),
}
LEFT = {"maxLength", "uniqueItems"}
"""What an author may do and an entry of ours may not: a long summary, a word twice."""


def keywords(schema: object, *, is_names: bool = False) -> Iterator[str]:
    """Yield the keywords of a schema, not the names of its members."""
    if not isinstance(schema, dict):
        return
    for name, value in schema.items():
        if not is_names:
            yield name
        for each in value if isinstance(value, list) else [value]:
            yield from keywords(each, is_names=not is_names and name in ("properties", "$defs"))


def test_every_keyword_of_the_schema_is_known() -> None:
    """A schema that grows is checked as far as it goes."""
    schema = json.loads((catalogue.FOLDER / "schema.json").read_text(encoding="utf-8"))
    assert set(keywords(schema)) == TOLD | CHECKED | LEFT


def test_every_entry_of_ours_passes() -> None:
    """What obeys the schema has no fault; each slip in one has."""
    for name in catalogue.names():
        assert [*faults_of(catalogue.data(name))] == [], name
    good = catalogue.data("next")
    for key, value in (("name", "Next"), ("how", "guess"), ("switch", [{}]), ("certificates", "X")):
        assert [*faults_of({**good, key: value})], key
    for block in ("switch", "id"):
        first = {**catalogue.data("dvc").get(block, good[block])[0], "file": "no-such"}
        assert [*faults_of({**good, block: [first]})], block
    lost = {**good, "detect": {**good["detect"], "traces": ["no-such"]}}
    assert [key for key, _, _ in faults_of(lost)] == ["detect.traces[0]"]
