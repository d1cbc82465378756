"""Tests of lines that are no records: torn, foreign, huge, deep: never fatal, never lost."""

from __future__ import annotations

import pytest

from tests.support.machine import Machine
from tests.support.spooling import (
    EVENT,
    aside,
    deliver,
    make_line,
    names,
    number,
    put,
    read,
    segment,
    take,
)
from usagectl import spool
from usagectl.spool.lines import Selection

WHOLE = make_line(b'{"a":{"b":"c"}}')

TORN = [
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{"na',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{"a":1}',
    b'{"uid":"u"',
    b"{",
    b"\0\0\0\0",
    b"\xff\xfe",
]
FOREIGN = [
    b"hello",
    b"[]",
    b"null",
    b'{"event":{}}',
    b'{"uid":1,"time":"t","tool":"usagectl","kind":"k","event":{}}',
    b'{"uid":"u","time":"t","tool":null,"kind":"k","event":{}}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":[]}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{},"x":1}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{},"x":{}}',
    b'["uid","event":{}}',
    b'{"uid":"u","a":' + b"[" * 100_000 + b',"event":{}}',
    make_line(b'{"a":"\xff\xfe"}')[:-1],
    make_line(b'{"a":"\xed\xa0\x80"}')[:-1],
    make_line(b'{"a":"\0"}')[:-1],
    make_line(b'{"a":NaN}')[:-1],
    make_line(b'{"a":-Infinity}')[:-1],
    make_line(b'\xef\xbb\xbf{"a":1}')[:-1],
    make_line(b'{"a":%b%b}' % (b"[" * 100_000, b"]" * 100_000))[:-1],
    b"\0" * 4096,
    b"x" * 5_000_000,
    make_line()[:-1] + b"\r" + make_line()[:-1],
]


@pytest.mark.parametrize("torn", TORN)
def test_a_torn_last_line_is_passed_over(machine: Machine, torn: bytes) -> None:
    """What a killed process left is not counted, harms no other line, and stays for a person."""
    put(machine)
    with segment(machine).open("ab") as stream:
        stream.write(torn)
    assert read(machine) == [EVENT]
    assert spool.state(machine.environment()).pending == 1
    put(machine)
    assert read(machine) == [EVENT, EVENT]
    assert torn + b"\n" in segment(machine).read_bytes()


def test_a_line_torn_at_any_byte_among_others(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever it was cut: the lines around it are sent, it is set aside, nothing stays behind."""
    for cut in range(len(WHOLE)):
        machine = Machine(tmp_path_factory.mktemp("torn"))
        put(machine, number(1))
        with segment(machine).open("ab") as stream:
            stream.write(WHOLE[:cut])
        put(machine, number(2))
        is_whole = cut == len(WHOLE) - 1
        between = [b'{"a":{"b":"c"}}'] if is_whole else []
        assert read(machine) == [number(1), *between, number(2)], cut
        assert deliver(machine) == [number(1), *between, number(2)], cut
        assert aside(machine) == (b"" if is_whole or not cut else WHOLE[:cut] + b"\n")
        assert set(names(machine)) <= {"aside"}


def test_a_last_line_torn_at_any_byte(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing follows it: it is set aside, or sent when only its line end is missing."""
    for cut in range(1, len(WHOLE)):
        machine = Machine(tmp_path_factory.mktemp("torn"))
        segment(machine).write_bytes(make_line(number(1)) + WHOLE[:cut])
        is_whole = cut == len(WHOLE) - 1
        pending = spool.state(machine.environment()).pending
        batches = take(machine)
        sent = [bytes(event) for batch in batches for event in batch.events]
        assert sent == [number(1), b'{"a":{"b":"c"}}'][: 1 + is_whole], cut
        assert pending == len(sent)
        assert all(batch.lines.endswith(b"\n") for batch in batches)
        assert aside(machine) == (b"" if is_whole else WHOLE[:cut] + b"\n")
        assert set(names(machine)) <= {"aside"}


@pytest.mark.parametrize("line", FOREIGN, ids=range(len(FOREIGN)))
def test_foreign_lines_are_neither_shown_nor_sent(machine: Machine, line: bytes) -> None:
    """A line that is no record is set aside by a delivery, and the lines around it are sent."""
    put(machine)
    with segment(machine).open("ab") as stream:
        stream.write(line + b"\n")
    put(machine)
    assert read(machine) == [EVENT, EVENT]
    assert deliver(machine) == [EVENT, EVENT]
    assert aside(machine) == line + b"\n"
    assert names(machine) == ["aside"]


@pytest.mark.parametrize("line", FOREIGN, ids=range(len(FOREIGN)))
def test_a_selection_sets_them_aside_too(machine: Machine, line: bytes) -> None:
    """They match nothing, and must not keep a segment waiting for ever."""
    segment(machine).write_bytes(line + b"\n" + make_line() + line + b"\n")
    assert deliver(machine, selection=Selection(tools=("other",))) == []
    assert aside(machine) == (line + b"\n") * 2
    assert read(machine) == [EVENT]
    assert deliver(machine) == [EVENT]


def test_empty_lines_just_go(machine: Machine) -> None:
    """There is nothing in them to keep."""
    segment(machine).write_bytes(b"\n\n" + make_line() + b"\n \n\r\n" + make_line() + b"\n")
    assert deliver(machine) == [EVENT, EVENT]
    assert (aside(machine), names(machine)) == (b"", [])


def test_line_ends_of_another_system(machine: Machine) -> None:
    """An editor that ends lines with CR and LF spoils no event."""
    segment(machine).write_bytes(make_line(number(1))[:-1] + b"\r\n" + make_line(number(2)))
    assert deliver(machine) == [number(1), number(2)]
    assert names(machine) == []


def test_a_long_foreign_line_over_many_blocks(machine: Machine) -> None:
    """It is set aside whole; events before and after it are sent."""
    junk = b"\xff" * 3_000_000
    segment(machine).write_bytes(make_line(number(1)) + junk + b"\n" + make_line(number(2)))
    assert deliver(machine) == [number(1), number(2)]
    assert aside(machine) == junk + b"\n"
