"""Tests of the catalogue's files: each obeys the schema and what the schema cannot say."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest

from usagectl import catalogue
from usagectl.catalogue import checking, compiling, versions
from usagectl.catalogue.entry import FORMS, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


SCHEMA = json.loads((catalogue.FOLDER / "schema.json").read_text(encoding="utf-8"))
FILES = sorted(catalogue.FOLDER.glob("*.toml"))


def faults_of(file: Path) -> Iterator[str]:
    """Yield what is wrong with an entry's file."""
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    errors = [*jsonschema.Draft202012Validator(SCHEMA).iter_errors(data)]
    yield from (f"{error.json_path}: {error.message}" for error in errors)
    if not errors:
        yield from (
            f"{key} is {found}; wanted: {wanted}" for key, found, wanted in checking.faults_of(data)
        )
        yield from loose_ends(Entry(data), file)


def loose_ends(entry: Entry, file: Path) -> Iterator[str]:
    """Yield what nothing leads to, and switches that say nothing."""
    if entry.name != file.stem:
        yield f"is named {entry.name}"
    known = {each.name for each in entry.files}
    named = {*entry.detect.traces, *(switch.file for switch in entry.switches)}
    named |= {each.file for each in entry.identities}
    unused = known - named
    yield from (f"uses no file {name}" for name in unused)
    for switch in entry.switches:
        if not (switch.off or switch.on or switch.local) and switch.other == "ignored":
            yield f"{switch.variables or switch.file} says nothing"
        yield from (f"covers no part {part}" for part in switch.covers if part not in entry.parts)
    seen = {run.part for evidence in entry.evidence for run in evidence.runs}
    yield from (f"has no part {part}" for part in seen - {"", *entry.parts})
    if entry.default == "asks" and not entry.consent and entry.how == "wire":
        yield "was seen to send without a [consent]"


def test_every_entry_obeys_the_schema_and_leads_somewhere() -> None:
    """Each file is an entry, and each name in it is one that it gives."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    wrong = [f"{file.name} {fault}" for file in FILES for fault in faults_of(file)]
    assert wrong == []
    assert tuple(file.stem for file in FILES) == catalogue.names()


def test_the_schema_and_the_code_know_the_same_forms() -> None:
    """A form that the schema allows is one that the code tries."""
    assert tuple(SCHEMA["$defs"]["match"]["properties"]["form"]["enum"]) == FORMS


def test_versions_are_compared_by_number() -> None:
    """Ranges hold as they read; an unknown version lies in all of them."""
    within = [
        ("16.4.6", ">=16"),
        ("16.4.6", ">=16.4,<16.5"),
        ("2.0.0-beta.1", "==2"),
        ("v1.10", ">1.9"),
        (None, ">=99"),
        ("1.0", ""),
    ]
    outside = [("16.4.6", ">=17"), ("1.10", "<1.9"), ("3", "<=2.99"), ("unknown", ">=1")]
    assert [each for each in within if not versions.is_within(*each)] == []
    assert [each for each in outside if versions.is_within(*each)] == []


def test_the_compiled_file_is_made_of_the_entries() -> None:
    """`python -m usagectl.catalogue.compiling` was run after the last change of an entry."""
    assert catalogue.COMPILED.read_bytes() == compiling.compiled()


def test_each_entry_is_read_back_as_it_was_written() -> None:
    """The offsets of the index lead to the entries, whole and in their order."""
    written = [tomllib.loads(file.read_text(encoding="utf-8")) for file in FILES]
    assert [catalogue.data(name) for name in catalogue.names()] == written
    assert [catalogue.entry(data["name"]) for data in written] == [*map(Entry, written)]
    with pytest.raises(KeyError):
        catalogue.entry("no-such-tool")


def test_the_index_leads_from_names_to_tools() -> None:
    """Two tools may go by one command; distributions are found by their normalised names."""
    detects = [
        {"executables": ["x", "y"], "python": ["A.b_C"], "traces": ["id"]},
        {"executables": ["x"], "npm": ["@x/y"]},
    ]
    files = [{"name": "id", "places": []}, {"name": "other", "places": []}]
    entries = [
        {"name": name, "detect": detect, "file": files, "module": f"of_{name}"}
        for name, detect in zip("ab", detects, strict=True)
    ]
    del entries[0]["module"]
    line = compiling.compile_entries(entries).partition(b"\n")[0]
    assert catalogue.Index(**json.loads(line))[1:] == (
        {"x": ["a", "b"], "y": ["a"]},
        {"@x/y": ["b"]},
        {"a-b-c": ["a"]},
        {"a": files[:1]},
        {"b": "of_b"},
    )
