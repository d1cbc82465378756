"""Tests of TOML within bounds: what would cost minutes is refused, what people write is read."""

from __future__ import annotations

import sys
import tomllib
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import pytest

from usagectl.errors import FileCorruptError, FileUnreadableError
from usagectl.machine import toml
from usagectl.settings import MAX_BYTES

if TYPE_CHECKING:
    from pathlib import Path

DEEP = ".".join(["k"] * 15_000)
BOMBS = (
    f"{DEEP}=1",
    f"[{DEEP}]",
    f"[[{DEEP}]]",
    f"a = {{{DEEP}=1}}",
    f"a = 1\n  {DEEP.replace('.', ' . ')} = 1",
    f"{DEEP.replace('k', chr(34) * 2)}=1",
    f"{'k' * 600} = 1",
    f"[{'k' * 600}]",
    f"a = {'[' * 5000}{']' * 5000}",
    f"a = {'9' * 5000}",
)


def test_bombs_are_refused(tmp_path: Path) -> None:
    """Keys deeper or longer than anybody writes are refused before the parser sees them."""
    assert [text[:20] for text in BOMBS if not is_refused(tmp_path / "f", text)] == []
    (tmp_path / "f").write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(FileUnreadableError, match="larger"):
        toml.read(tmp_path / "f", limit=MAX_BYTES)


def is_refused(file: Path, text: str) -> bool:
    """Write a file and say whether it is refused, with few steps of the parser's."""
    file.write_text(text)
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        toml.read(file, limit=MAX_BYTES)
    except FileCorruptError:
        return steps < 20_000
    finally:
        sys.setprofile(None)
    return False


def test_what_people_write_is_read(tmp_path: Path) -> None:
    """Long comments, long values and a few levels are fine; a file that is not there is None."""
    file = tmp_path / "f"
    assert toml.read(file, limit=MAX_BYTES) is None
    for text in (
        f"# {'.' * 500}\n[telemetry]\nmode = 'off'",
        f"  #{'k' * 900}\ntools.mytool.endpoint = 'https://a.b.c.example.org/v1'",
        f"[localstack]\ncache_dir = '/{'folder/' * 300}'",
    ):
        file.write_text(text)
        assert toml.read(file, limit=MAX_BYTES) == tomllib.loads(text)


def test_what_is_written_reads_back_as_it_was() -> None:
    """A value comes back from TOML whatever its texts and names hold; a plain name stands bare."""
    wrong = []
    for value in (
        {"requests": 0, "variables": {"A-b_1": "\x7f\x00\n\"'\\", "ä b": "é\u2028😀"}, "": {}},
        ["x", ["y", True], []],
        1.5,
        datetime(2026, 11, 29, 18, 30, 0, 1, tzinfo=UTC),
        [date(2026, 11, 29), time(18, 30)],
    ):
        found = tomllib.loads(f"a = {toml.to_text(value)}")["a"]
        wrong += [] if found == value else [(value, found)]
    assert wrong == []
    assert toml.to_text({"A-b": 1, "a.b": [True]}) == '{ A-b = 1, "a.b" = [true] }'
