"""Tests of how exact bytes are cut out of what others wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usagectl.events import slicing

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
    assert slicing.objects_of(body) == texts
    assert slicing.objects_of(b" [" + joined + b"] ") == texts


@given(st.data(), OBJECTS)
def test_an_object_without_events_is_the_one(data: st.DataObject, value: dict[str, object]) -> None:
    """A session's body is the event itself."""
    value.pop("events", None)
    text = data.draw(written(value)).encode()
    assert slicing.objects_of(b"\n" + text + b" ") == [text]


@given(st.binary(max_size=60))
def test_any_bytes_give_an_answer(data: bytes) -> None:
    """What is no JSON object is None; nothing raises."""
    found = slicing.objects_of(data)
    assert found is None or all(each.startswith(b"{") for each in found)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"7",
        b'"x"',
        b"[1]",
        b"[{}, 1]",
        b'{"events": [1]}',
        b'{"a": NaN}',
        b'{"a": 1} {"b": 2}',
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_reports_no_objects_is_none(text: bytes) -> None:
    """Numbers, broken text, bytes that are no UTF-8 and endless nesting are no events."""
    assert slicing.objects_of(text) is None


def test_half_a_surrogate_pair_is_taken() -> None:
    """Python's json writes a path that is no UTF-8 with one; it is JSON all the same."""
    event = rb'{"name":"a","payload":{"x":"\udcff"}}'
    assert slicing.objects_of(b'{"events":[%b ,%b]}' % (event, event)) == [event, event]
    assert slicing.objects_of(rb'{"other": 1, "events" :[ ' + event + b"]}") == [event]
