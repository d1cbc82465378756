"""Own the lines of events that differ in their time and in what follows it alone.

A library records the same calls again and again: all that is the same within a second
is built once. The form is that of `spool.envelope`, in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from usagectl.events.encoding import format_client_time
from usagectl.spool import envelope

if TYPE_CHECKING:
    from collections.abc import Callable

_LINE = b'{"uid":"%08x-%04x-7%b%012x%b%06d%b%06d%b}\n'
_MICROSECONDS = 1_000_000
_FRACTION = len(".000000")


class Series(NamedTuple):
    """Hold what the events of one series have in common.

    The random digits of the uid are drawn once for a series and counted up, as
    RFC 9562 has it (section 6.2, method 2): the same event has the same uid whenever
    its line is built.

    Attributes:
        tool: whose events.
        kind: their name.
        consent: under which consent to send they are recorded.
        opening: what stands before the time in each event.
        drawn: random digits, as they stand in the middle of a uid.
        first: the last digits of the first event's uid, as a number.
    """

    tool: str
    kind: str
    consent: str
    opening: str
    drawn: str
    first: int


def draw(
    *, tool: str, kind: str, consent: str, opening: str, entropy: Callable[[int], bytes]
) -> Series:
    """Begin a series."""
    uid = envelope.build_uid(datetime.fromtimestamp(0, UTC), entropy)
    # Half of the numbers are left to count up through.
    return Series(tool, kind, consent, opening, uid[15:24], int(uid[24:], 16) >> 1)


class TimedLines:
    """Build the lines of a series."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self._drawn = series.drawn.encode("ascii")
        self._labels = envelope.build_labels(series.tool, series.kind, series.consent)
        self._opening = series.opening.encode("ascii")
        self._second = -1
        self._to_time = self._to_client_time = b""

    def build(self, instant: float, number: int, tail: bytes) -> bytes:
        """Build a line, its line end included.

        Args:
            instant: in seconds since 1970.
            number: of the event in the series, from 0.
            tail: all of the event that follows its time.
        """
        second, part = divmod(round(instant * _MICROSECONDS), _MICROSECONDS)
        if second != self._second:
            self._begin_second(second)
        passed = second * 1000 + part // 1000
        return _LINE % (
            passed >> 16,
            passed & 0xFFFF,
            self._drawn,
            self.series.first + number,
            self._to_time,
            part,
            self._to_client_time,
            part,
            tail,
        )

    def _begin_second(self, second: int) -> None:
        whole = datetime.fromtimestamp(second, UTC)
        time = whole.replace(tzinfo=None).isoformat().encode("ascii")
        client_time = format_client_time(whole)[:-_FRACTION].encode("ascii")
        self._to_time = b'","time":"%b.' % time
        self._to_client_time = b'+00:00"%b%b%b.' % (self._labels, self._opening, client_time)
        self._second = second
