"""Tests of exact event bytes, cut out of JSON and streams that others wrote."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from usagectl.events import slicing
from usagectl.events.record import as_utf8
from usagectl.events.slicing import lines_of

SPACES = st.sampled_from(["", " ", "\n", "\t ", "\r\n  "])
STRINGS = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", "events", "},{", '{"events":[', "\ud800"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | STRINGS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(STRINGS, VALUES, max_size=4)


@st.composite
def written(draw: st.DrawFn, value: object) -> str:
    """Write a value as JSON with any spaces, escapes and doubled members a client may use."""
    space = draw(SPACES)
    if isinstance(value, dict):
        members: list[str] = [
            f"{draw(SPACES)}{json.dumps(name)}{draw(SPACES)}:{draw(SPACES)}{draw(written(each))}"
            for name, each in value.items()
        ]
        is_doubled: bool = draw(st.booleans())
        if members and is_doubled:
            members.append(members[0])
        return "{" + f"{space},".join(members) + space + "}"
    if isinstance(value, list):
        return "[" + f"{space},".join(draw(written(each)) for each in value) + space + "]"
    return json.dumps(value, ensure_ascii=not _is_sound(value) or draw(st.booleans()))


def _is_sound(value: object) -> bool:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(st.data(), st.lists(OBJECTS, max_size=5), SPACES)
def test_each_object_of_a_body_is_cut_out_as_it_was_written(
    data: st.DataObject, objects: list[dict[str, object]], space: str
) -> None:
    """Whatever the spacing, the escapes, the numbers and doubled members: not one byte differs."""
    texts = [data.draw(written(each)).encode() for each in objects]
    joined = f"{space},".encode().join(space.encode() + text for text in texts)
    body = b'{"events"%b:%b[%b%b]}' % (space.encode(), space.encode(), joined, space.encode())
    assert slicing.values_of(body) == texts
    assert slicing.values_of(b" [" + joined + b"] ") == texts


@given(st.data(), OBJECTS)
def test_an_object_without_events_is_the_one(data: st.DataObject, value: dict[str, object]) -> None:
    """A session's body is the event itself."""
    value.pop("events", None)
    text = data.draw(written(value)).encode()
    assert slicing.values_of(b"\n" + text + b" ") == [text]


@given(st.binary(max_size=60))
def test_any_bytes_give_an_answer(data: bytes) -> None:
    """Anything but JSON gives None; nothing raises, and every value is JSON itself."""
    for each in slicing.values_of(data) or ():
        json.loads(each)


def test_what_is_no_json_is_none() -> None:
    """Broken text, bytes that are not UTF-8 and endless nesting hold no value."""
    texts = [
        *(b"", b"{", b"x", b'{"a": 1} {"b": 2}', b'{"a": "\xff"}'),
        *(b"[" * 100_000, b'{"a":' * 100_000),
    ]
    assert [text[:20] for text in texts if slicing.values_of(text) is not None] == []


def test_values_that_are_no_events() -> None:
    """Whatever a list or `events` holds is cut, NaN too; none of it has a name to deliver."""
    cut = {
        b"7": [b"7"],
        b'[1, {"a": 2}]': [b"1", b'{"a": 2}'],
        b'{"events": ["x"]}': [b'"x"'],
        b'{"name": "a", "b": NaN}': [b'{"name": "a", "b": NaN}'],
        b'[{"name": "\xed\xa0\x80"}]': [b'{"name": "\xed\xa0\x80"}'],
    }
    assert {text: slicing.values_of(text) for text in cut} == cut
    assert [text for text in cut if slicing.events_of(text)] == []
    assert slicing.name_of(b'{"name": "a", "b": NaN}', is_strict=False) == "a"


def test_what_stands_beside_the_events_is_cut_out_too() -> None:
    """Of a repeated list the last one counts, and the others are not lost."""
    event, other = b'{"name": "a"}', b'"events":[ ]'
    body = b'{ "a" : 1.0 , "events" : [ ] , "events" :[%b]}' % event
    assert slicing.values_of(body) == slicing.values_of(body, most=1) == [event]
    assert slicing.beside_events(body) == b'{"a":1.0,%b}' % other
    for alone in (event, b'{"events":[]}', b"[1]", b"{"):
        assert slicing.beside_events(alone) == b""


def test_half_a_surrogate_pair_is_taken() -> None:
    """Python's json writes a path that is not UTF-8 with one; it is valid JSON."""
    event = rb'{"name":"a","payload":{"x":"\udcff"}}'
    assert slicing.values_of(b'{"events":[%b ,%b]}' % (event, event)) == [event, event]
    assert slicing.values_of(rb'{"other": 1, "events" :[ ' + event + b"]}") == [event]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"))
CODINGS = st.sampled_from(
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-16-be", "\ufeff")]
)


@given(text=TEXTS, coding=CODINGS, size=st.integers(1, 7))
def test_any_coding_becomes_utf8(text: str, coding: tuple[str, str], size: int) -> None:
    """Whatever coding a mark tells, and however the pieces are cut, the text is the same."""
    name, mark = coding
    data = (mark + text).encode(name)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert b"".join(as_utf8(pieces)) == text.encode()


@given(pieces=st.lists(st.binary(max_size=6).map(lambda data: data.replace(b"\0", b"\n"))))
def test_pieces_become_lines(pieces: list[bytes]) -> None:
    """Nothing is lost between pieces, and each line but the last has its end."""
    lines = list(lines_of(pieces))
    assert b"".join(lines) == b"".join(pieces)
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines[:-1])
    assert all(line.count(b"\n") <= 1 for line in lines)


@given(
    pieces=st.lists(st.sampled_from([b"a", b"bb", b"\n", b"c\nd", b"eee\n\n"])),
    most=st.integers(0, 5),
)
def test_lines_beyond_the_bound_are_replaced(pieces: list[bytes], most: int) -> None:
    """Each line that is too long is told, however it was cut; all others are as without a bound."""
    whole = list(lines_of(pieces))
    expected = [line if len(line.rstrip(b"\n")) <= most else slicing.TOO_LONG for line in whole]
    assert list(lines_of(pieces, most_bytes=most)) == expected


def test_less_than_a_mark_stays() -> None:
    """What is too short to be a byte order mark stays as it is."""
    for data in (b"", b"\xef", b"\xef\xbb", b"\xff", b"{"):
        assert b"".join(as_utf8([data])) == data
