"""Tests of how values become JSON: which members, under which names, what is masked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from usagectl.identity import MachineId, Replacement
from usagectl.showing import as_data
from usagectl.tools.base import IdentityFile


@dataclass(frozen=True, slots=True)
class Whole:
    """A value of every kind of member."""

    file: Path
    at: datetime
    body: bytes
    parts: tuple[object, ...]
    by_name: dict[str, Path]


class Pair(NamedTuple):
    """A value in a value."""

    name: str
    value: object = None


def test_values_become_json() -> None:
    """Members keep their names; paths, instants and bytes become text, tuples lists."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    value = Whole(Path("/a"), now, b"\xc3\xa9", (Pair("x"), True, 1.5), {"b": Path("/b")})
    assert as_data(value) == {
        "file": "/a",
        "at": "2026-11-23T00:00:00+00:00",
        "body": "é",
        "parts": [{"name": "x", "value": None}, True, 1.5],
        "by_name": {"b": "/b"},
    }


def test_ids_are_masked_unless_revealed() -> None:
    """An ID shows its kind; whole, it is JSON text where a file holds no ID but another value."""
    place = IdentityFile("mytool", "cli", Path("/a"), "json", is_primary=True)
    for held, masked, whole in (
        (None, None, None),
        ("gen_0123", "gen_********", "gen_0123"),
        (7, "********", 7),
        ([float("nan")], "********", "[NaN]"),
    ):
        found = MachineId(place, held, "custom")
        assert as_data(found) == {"value": masked, "kind": "custom", "path": "/a"}
        assert as_data(found, reveal=True)["value"] == whole
    data = as_data(Replacement(place, MachineId(place, None, "missing"), "gen_0123", changed=True))
    assert (data["tool"], data["after"], data["problem"]) == ("mytool", "gen_********", None)
