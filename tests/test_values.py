"""Tests of values: they do what `typing.NamedTuple` does."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from usagectl.values import Value


class Ours(Value):
    """A value with two members, one of them with a default."""

    name: str
    places: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The first place."""
        return self.places[0]


class Theirs(NamedTuple):
    """The same, as the standard library makes it."""

    name: str
    places: tuple[str, ...] = ()


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    (("a", ("b",)), {}),
    ((), {"name": "a"}),
    (("a",), {"places": ("b",)}),
    ((), {"places": ("b",), "name": "a"}),
]
WRONG_CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((), {"places": ()}),
    (("a", (), "c"), {}),
    (("a",), {"name": "b"}),
    (("a",), {"other": "b"}),
    ((), {"name": "a", "other": "b"}),
]


def test_a_value_is_the_tuple_that_a_named_tuple_would_be() -> None:
    """Members by name and by place, texts, copies and comparisons are the same."""
    for members, named in CALLS:
        ours, theirs = Ours(*members, **named), Theirs(*members, **named)
        assert ours == tuple(theirs)
        assert hash(ours) == hash(theirs)
        assert (ours.name, ours.places) == (theirs.name, theirs.places)
        assert repr(ours).replace("Ours", "Theirs") == repr(theirs)
        assert ours._asdict() == theirs._asdict()
        assert ours._replace(name="z") == tuple(theirs._replace(name="z"))
        assert [deepcopy(ours), pickle.loads(pickle.dumps(ours))] == [ours, ours]  # noqa: S301
    assert Ours._fields == Theirs._fields
    assert Ours("a", ("b",)).first == "b"


def test_wrong_members_are_refused() -> None:
    """A member that is missing, unknown, or given twice is an error, as in any call."""
    for members, named in WRONG_CALLS:
        for kind in (Theirs, Ours):
            with pytest.raises(TypeError):
                kind(*members, **named)


def test_a_value_cannot_be_changed() -> None:
    """No member can be set, and a replacement knows its members."""
    value: Any = Ours("a")
    with pytest.raises(AttributeError):
        value.name = "b"
    with pytest.raises(TypeError):
        value._replace(other="b")
