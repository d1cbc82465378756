"""Own the unchanging bytes of events: what stands before and after the time of each.

An event that is recorded often differs from the one before it in its time alone.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from usagectl.emitting.ledger import Form
from usagectl.events.encoding import format_client_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from usagectl.events.schemas import Shape

_HOLE = "0001-01-01 00:00:00.000000"
_PAYLOAD = b"payload"
_LENGTH = len(_HOLE)


class Frame(NamedTuple):
    """Hold what stands around the time of one kind of event in one session.

    Attributes:
        shape: of the event.
        opening: what stands before the time.
        middle: what stands between the time and the payload.
    """

    shape: Shape
    opening: bytes
    middle: bytes

    def tail(self, values: Mapping[str, object]) -> bytes:
        """Build all that follows the time.

        Raises:
            EventShapeError: the values do not fit.
        """
        return b"%b%b}" % (self.middle, self.shape.payload(values))

    def join(self, now: datetime, tail: bytes) -> bytes:
        """Build the exact bytes of an event."""
        return b"%b%b%b" % (self.opening, client_time(now).encode("ascii"), tail)


def frame(shape: Shape, session_id: str) -> Frame:
    """Build the frame of an event; the session's ID enters only where the notice has one."""
    whole = shape.event(
        _PAYLOAD, client_time=_HOLE, session_id=session_id if shape.has_session else ""
    )
    opening, middle = whole.removesuffix(_PAYLOAD + b"}").split(_HOLE.encode())
    return Frame(shape, opening, middle)


def client_time(now: datetime) -> str:
    """Write an instant as the notice does, in UTC; the same as `format_client_time`, but quick."""
    if now.tzinfo is UTC:
        return now.isoformat(" ", "microseconds")[:_LENGTH]
    return format_client_time(now)


def count_of(found: Frame, labels: Mapping[str, object], *, list_name: str) -> tuple[Form, str]:
    """Build what counts one combination of labels: its event's form, and its own text there.

    Raises:
        EventShapeError: the labels do not fit.
    """
    payload = found.shape.payload({list_name: [{**labels, "count": 1}]}).decode("ascii")
    opening, item = payload[: -len("1}]}")].split("[", 1)
    middle = f"{found.middle.decode('ascii')}{opening}["
    return Form(found.shape.name, found.opening.decode("ascii"), middle, "]}}"), item
