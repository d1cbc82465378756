"""Own names that stand twice in one object: of JSON's readers each keeps the last, and no other.

What is overwritten that way was sent all the same, so it is kept for the search. It
must not know events nor rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_encoder = msgspec.json.Encoder()


class Repeats:
    """Build the objects of one JSON text, and keep what they lose."""

    def __init__(self) -> None:
        self._lost: dict[int, tuple[object, list[tuple[str, object]]]] = {}

    def __bool__(self) -> bool:
        """Tell whether anything was lost that nobody has asked for yet."""
        return bool(self._lost)

    def build(self, members: list[tuple[str, object]]) -> dict[str, object]:
        """Make an object of its members, as `json` hands them over."""
        found = dict(members)
        if len(found) != len(members):
            seen: dict[str, object] = {}
            lost = []
            for name, value in members:
                if name in seen:
                    lost.append((name, seen[name]))
                seen[name] = value
            self._lost[id(found)] = (found, lost)  # Held, so that no other gets its number.
        return found

    def take(self, root: object, name: Callable[[str, str], str]) -> Iterator[tuple[str, object]]:
        """Take out what was lost in a value and below it: its pointer, and what stood there.

        Args:
            root: the value, or a part of it.
            name: makes a pointer of the one above it and a key.
        """
        waiting = [("", root)]
        while waiting and self._lost:
            place, each = waiting.pop()
            if isinstance(each, dict):
                _, lost = self._lost.pop(id(each), (None, []))
                below = [(name(place, key), value) for key, value in lost]
                yield from below
                waiting += [(name(place, key), value) for key, value in each.items()] + below
            elif isinstance(each, list):
                waiting += [(f"{place}/*", item) for item in each]


def may_repeat(text: bytes, values: Sequence[object]) -> bool:
    """Tell whether lines of JSON may hold a name twice, given what was read of them.

    Written again, what was lost is missing, and with it the colon behind its name. Where
    all colons are there, nothing is: only an escape could have brought another in.
    """
    try:
        written = _encoder.encode_lines(values)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeEncodeError):
        return True
    if written.startswith(text) and len(written) - len(text) <= 1:  # The last may lack its end.
        return False
    return b"\\u" in text or written.count(b":") != text.count(b":")
