"""Own events that wait in memory for the spool, and outlive their process until they are there.

To record an event takes two numbers in memory: when it was, and which of the texts it
ends with. The lines of the spool are built later, by a thread that nobody waits for, or
after a kill by whoever finds the file; an event's line has the same uid either way.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from usagectl.emitting.ledger import files
from usagectl.emitting.ledger.timed import TimedLines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.emitting.ledger.timed import Series
    from usagectl.machine.environment import Environment

STATE_BYTES = 16
EVENTS = (files.SIZE - STATE_BYTES) // 16
"""How many events one backlog holds."""

_TIMES_END = STATE_BYTES + 8 * EVENTS
_TAILS_END = _TIMES_END + 8 * EVENTS
_BATCH_BYTES = 400_000
_MOST_TAILS = 1024


class Backlog:
    """Hold events of one series; whoever adds guards it with a lock.

    An event is added by writing its instant and its tail's number at `added`, and then
    counting that up: in `state[0]`, which is what another process believes.

    Attributes:
        instants: when each event was, in seconds since 1970.
        tails: which text follows the time of each.
        state: how many events were added, and how many of them are in the spool.
        added: how many events were added.
    """

    def __init__(self, series: Series, file: files.MemoryFile) -> None:
        self.series = series
        self._file = file
        self.state = file.view(0, STATE_BYTES, "Q")
        self.instants = file.view(STATE_BYTES, _TIMES_END, "d")
        self.tails = file.view(_TIMES_END, _TAILS_END, "Q")
        self.added = 0
        self._texts: list[bytes] = []

    @property
    def is_full(self) -> bool:
        """Tell whether no event may be added."""
        return self.added == EVENTS or len(self._texts) == _MOST_TAILS

    def enter(self, tail: bytes) -> int | None:
        """Write down a text that events end with; None when the file cannot take it."""
        if not self._file.append(tail.decode("ascii")):
            return None
        self._texts.append(tail)
        return len(self._texts) - 1

    def put(self, instant: float, text: int) -> bool:
        """Add an event; False when there is no room."""
        at = self.added
        if at == EVENTS:
            return False
        self.instants[at] = instant
        self.tails[at] = text
        self.added = self.state[0] = at + 1
        return True

    def batches(self) -> Iterator[list[bytes]]:
        """Build the lines of the events that are not in the spool yet, many at a time.

        Each batch counts as being there when the next one is asked for. They are large:
        with every write a thread of a busy program lets the others go first.
        """
        lines = TimedLines(self.series)
        batch, size = [], 0
        for each in range(self.state[1], self.added):
            line = lines.build(self.instants[each], each, self._texts[self.tails[each]])
            batch.append(line)
            size += len(line)
            if size >= _BATCH_BYTES:
                yield batch
                self.state[1] = each + 1
                batch, size = [], 0
        if batch:
            yield batch
            self.state[1] = self.added

    def remove(self) -> None:
        """Remove the file: its events are in the spool, or nobody wants them."""
        self._file.remove()

    def abandon(self) -> None:
        """Let go of the file and leave it: after a fork it is the parent's."""
        self._file.close()


def make(environment: Environment, series: Series) -> Backlog | None:
    """Make a backlog; None where there is no place for its file."""
    head = files.head_of(environment, series.tool, series.consent)
    file = files.make(environment, head)
    if file is None:
        return None
    if not file.append(series._asdict()):
        file.remove()
        return None
    return Backlog(series, file)


def numbers_of(data: bytes) -> tuple[array[float], array[int]]:
    """Read the instants and the tails out of a backlog's mapped part."""
    instants = array("d", data[STATE_BYTES:_TIMES_END])
    return instants, array("Q", data[_TIMES_END:_TAILS_END])
