"""Values: immutable tuples with named fields, like `typing.NamedTuple`, but cheap to declare.

A class of `typing.NamedTuple` costs as much as reading a file, since Python compiles its
annotations and a constructor, and every command declares a hundred. Here the names are all that
is kept. The person who would notice is whoever types `status`.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass_transform(frozen_default=True)
class Value(tuple[Any, ...]):
    """A tuple whose members go by the names that its class annotates."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[Mapping[str, object]] = {}

    def __init_subclass__(cls) -> None:
        names = [name for name in cls.__annotations__ if not name.startswith("_")]
        cls._fields = tuple(names)
        cls._defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
        for place, name in enumerate(names):
            setattr(cls, name, property(itemgetter(place)))

    def __new__(cls, *members: object, **named: object) -> Self:
        """Make a value; members without a default have to be given."""
        fields = cls._fields
        if named or len(members) != len(fields):
            given = dict(zip(fields, members, strict=False))
            every = {**cls._defaults, **given, **named}
            if len(every) != len(fields) or len(members) > len(fields) or given.keys() & named:
                raise TypeError(_complaint(cls.__name__, fields, every))
            members = tuple([every[name] for name in fields])
        return tuple.__new__(cls, members)

    def __repr__(self) -> str:
        members = zip(self._fields, self, strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={each!r}' for name, each in members)})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def _replace(self, **changes: object) -> Self:
        """Return the same with other members."""
        return type(self)(**{**self._asdict(), **changes})

    def _asdict(self) -> dict[str, Any]:
        """Return the members by their names."""
        return dict(zip(self._fields, self, strict=True))


def _complaint(name: str, fields: tuple[str, ...], given: Mapping[str, object]) -> str:
    missing = [each for each in fields if each not in given]
    unknown = [each for each in given if each not in fields]
    return f"{name}() lacks {missing}, does not know {unknown}, or was given one twice"
