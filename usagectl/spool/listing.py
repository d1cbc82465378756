"""Own what can be asked of many events: which there are, and how many of which kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from usagectl import paths
from usagectl.spool import envelope, lines, logs, purging, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from usagectl.environment import Environment
    from usagectl.spool.lines import Selection
    from usagectl.spool.logs import Handover
    from usagectl.spool.purging import State

STATES: tuple[State, ...] = ("pending", "sent", "rejected")


class Entry(NamedTuple):
    """Hold one event of the spool and what became of it.

    Attributes:
        uid: a UUIDv7.
        time: when it was recorded.
        tool: whose it is.
        event: its name.
        state: whether it waits, was sent, or was rejected.
        body: its exact bytes.
        line: the whole line it stands in, without a line end.
        handover: which answer decided on it; None while it waits.
    """

    uid: str
    time: str
    tool: str
    event: str
    state: State
    body: bytes
    line: bytes
    handover: Handover | None = None


def entries(
    environment: Environment, states: Sequence[State], selection: Selection = lines.ALL
) -> Iterator[Entry]:
    """Read the selected events, oldest first within a state; one at a time is held.

    Raises:
        SpoolUnwritableError: a folder cannot be listed.
        FileUnreadableError: a segment cannot be read.
    """
    spool_dir = paths.spool_dir(environment)
    if spool_dir is None:
        return
    for state in states:
        for segment in reading.list_segments(purging.folder_of(spool_dir, state)):
            handover: Handover | None = None
            for block in reading.blocks(segment):
                for text in lines.split_lines(block):
                    handover = logs.parse_header(text) or handover
                    found = lines.decode(text)
                    if found is not None and selection.takes(found):
                        yield _entry(found, state, text, handover)


def _entry(found: lines.Line, state: State, text: bytes, handover: Handover | None) -> Entry:
    return Entry(
        uid=found.uid,
        time=found.time,
        tool=found.tool,
        event=found.kind,
        state=state,
        body=bytes(found.event),
        line=text.rstrip(b"\r\n"),
        handover=None if state == "pending" else handover,
    )


class Group(NamedTuple):
    """Name what events are counted by."""

    day: str
    tool: str
    event: str
    state: State


class Stats(NamedTuple):
    """Hold how many events there are of each group, and the bytes of their lines."""

    groups: dict[Group, int]
    bytes: int

    @property
    def total(self) -> int:
        """Count them all."""
        return sum(self.groups.values())

    def by(self, *names: str) -> dict[tuple[str, ...], int]:
        """Count by some of the members of a group, in the order of their names."""
        found: Counter[tuple[str, ...]] = Counter()
        for group, count in self.groups.items():
            found[tuple(getattr(group, name) for name in names)] += count
        return dict(sorted(found.items()))


def stats(
    environment: Environment,
    states: Sequence[State] = STATES,
    selection: Selection = lines.ALL,
    *,
    on_progress: Callable[[int], None] = lambda _bytes: None,
) -> Stats:
    """Count events by day, tool, name and state; a million take seconds, and no more memory.

    Raises:
        SpoolUnwritableError: a folder cannot be listed.
        FileUnreadableError: a segment cannot be read.
    """
    counts: Counter[Group] = Counter()
    size = 0
    spool_dir = paths.spool_dir(environment)
    for state in states if spool_dir else ():
        assert spool_dir is not None  # noqa: S101  (for the type checker)
        for segment in reading.list_segments(purging.folder_of(spool_dir, state)):
            for block in reading.blocks(segment):
                size += _count_block(block, state, selection, counts)
                on_progress(len(block))
    return Stats(dict(sorted(counts.items())), size)


def _count_block(block: bytes, state: State, selection: Selection, counts: Counter[Group]) -> int:
    """Count the events of a block; return the bytes of their lines."""
    if selection == lines.ALL:
        found = Counter((each.time[:10], each.tool, each.kind) for each in lines.labels(block))
        for (day, tool, event), count in found.items():
            counts[Group(day, tool, event, state)] += count
        return len(block)
    size = 0
    for text in lines.split_lines(block):
        line = lines.decode(text)
        if line is not None and selection.takes(line):
            counts[Group(line.time[:10], line.tool, line.kind, state)] += 1
            size += len(text)
    return size


def recorded_at(entry: Entry) -> str:
    """Say when an event was recorded: UTC, to the second."""
    found = envelope.parse_time(entry.time)
    if found is None:
        return entry.time
    from datetime import UTC

    return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
