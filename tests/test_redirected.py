"""Hold how streams are read that a shell redirected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usagectl.events.slicing import as_utf8, lines_of

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"))
codings = st.sampled_from(
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-16-be", "\ufeff")]
)


@given(text=texts, coding=codings, size=st.integers(1, 7))
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


@pytest.mark.parametrize("data", [b"", b"\xef", b"\xef\xbb", b"\xff", b"{"])
def test_less_than_a_mark_stays(data: bytes) -> None:
    """What is too short to be a mark is no mark."""
    assert b"".join(as_utf8([data])) == data
