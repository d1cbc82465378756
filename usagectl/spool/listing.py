"""Own what can be asked of many events: which there are, and how many of which kind."""

from __future__ import annotations

import os
from collections import Counter, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, cast

from usagectl.errors import FileUnreadableError
from usagectl.machine import paths
from usagectl.spool import envelope, lines, logs, purging, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.spool.lines import Line, Selection
    from usagectl.spool.logs import Handover
    from usagectl.spool.purging import State
    from usagectl.spool.segments import Segment

STATES: tuple[State, ...] = ("pending", "sent", "rejected")
UNKNOWN_DAY = "unknown"


class Entry(NamedTuple):
    """Hold one event of the spool and what became of it.

    Attributes:
        uid: a UUIDv7.
        time: when it was recorded.
        tool: whose it is.
        event: its name.
        state: whether it waits, was sent, or was rejected.
        size: bytes of the event.
        body: its exact bytes.
        line: the whole line it stands in, without its line end.
        handover: which answer decided on it; None while it waits.
    """

    uid: str
    time: str
    tool: str
    event: str
    state: State
    size: int
    body: bytes
    line: bytes
    handover: Handover | None = None

    def without_bytes(self) -> Entry:
        """Drop what is heavy, to keep many of them."""
        return self._replace(body=b"", line=b"")


def entries(
    environment: Environment,
    states: Sequence[State],
    selection: Selection = lines.ALL,
    *,
    on_problem: Callable[[FileUnreadableError], None] | None = None,
) -> Iterator[Entry]:
    """Read the selected events, oldest first within a state; one at a time is held.

    Args:
        environment: whose.
        states: of which states, one after another.
        selection: which of them.
        on_problem: is told of a segment that cannot be read; without it that ends the reading.

    Raises:
        SpoolUnwritableError: a folder cannot be listed.
        FileUnreadableError: a segment cannot be read.
    """
    for state, segment in _segments(environment, states):
        try:
            yield from _entries_of(segment, state, selection)
        except FileUnreadableError as error:
            if on_problem is None:
                raise
            on_problem(error)


def _segments(environment: Environment, states: Sequence[State]) -> Iterator[tuple[State, Segment]]:
    spool_dir = paths.spool_dir(environment)
    if spool_dir is not None:
        for state in states:
            for segment in reading.list_segments(purging.folder_of(spool_dir, state)):
                yield state, segment


def _entries_of(segment: Segment, state: State, selection: Selection) -> Iterator[Entry]:
    handover: Handover | None = None
    position = 0
    for start, block in reading.placed_blocks(segment):
        if start > position and state != "pending":  # A header may be done, its events not yet.
            handover = _last_header(_read_between(segment, position, start), handover)
        position = start + len(block)
        for line in lines.split_lines(block):
            found = lines.decode(line)
            if found is None:
                handover = _last_header(line, handover)
            elif selection.takes(found):
                yield _entry(found, state, line, handover)


def _entry(found: Line, state: State, line: bytes, handover: Handover | None) -> Entry:
    body = bytes(found.event)
    whole = line.removesuffix(b"\n")
    fate = None if state == "pending" else handover
    # By place: names would take as long as the decoding.
    return Entry(found.uid, found.time, found.tool, found.kind, state, len(body), body, whole, fate)


def _last_header(text: bytes, before: Handover | None) -> Handover | None:
    """Find the last header of some lines; a torn one says nothing of the events behind it."""
    start = text.rfind(b'\n{"at":') + 1
    if not text.startswith(b'{"at":', start):
        return before
    return logs.parse_header(text[start:].partition(b"\n")[0])


def _read_between(segment: Segment, start: int, end: int) -> bytes:
    descriptor = reading.open_segment(segment)
    if descriptor is None:
        return b""
    try:
        return os.pread(descriptor, end - start, start)
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise FileUnreadableError(segment.path, reason=reason) from error
    finally:
        os.close(descriptor)


def newest(found: Iterable[Entry], most: int | None) -> tuple[list[Entry], int]:
    """Keep the entries recorded last, in the order they came in, and count them all.

    At most `most` of each state are held at a time; None keeps all.
    """
    kept: dict[State, deque[Entry]] = {}
    total = 0
    for entry in found:
        kept.setdefault(entry.state, deque(maxlen=most)).append(entry)
        total += 1
    last = [entry for of_state in kept.values() for entry in of_state]
    if most is not None and len(last) > most:
        by_time = sorted(range(len(last)), key=lambda place: _instant(last[place]))
        last = [last[place] for place in sorted(by_time[-most:])]
    return last, total


def _instant(entry: Entry) -> datetime:
    return envelope.parse_time(entry.time) or datetime.min.replace(tzinfo=UTC)


class Group(NamedTuple):
    """Name what events are counted by; the day is that of UTC, or `unknown`."""

    day: str
    tool: str
    event: str
    state: State


class Stats(NamedTuple):
    """Hold how many events there are of each group, and the bytes of all of them."""

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
    on_problem: Callable[[FileUnreadableError], None] | None = None,
) -> Stats:
    """Count events by day, tool, name and state; a million take seconds, and no more memory.

    Args:
        environment: whose.
        states: of which states.
        selection: which of them.
        on_problem: is told of a segment that cannot be read; without it that ends the counting.

    Raises:
        SpoolUnwritableError: a folder cannot be listed.
        FileUnreadableError: a segment cannot be read.
    """
    counts: Counter[Group] = Counter()
    size = 0
    for state, segment in _segments(environment, states):
        try:
            for block in reading.blocks(segment):
                size += _count_block(block, state, selection, counts)
        except FileUnreadableError as error:
            if on_problem is None:
                raise
            on_problem(error)
    return Stats(dict(sorted(counts.items())), size)


def _count_block(block: bytes, state: State, selection: Selection, counts: Counter[Group]) -> int:
    """Count the events of a block; return the bytes of them."""
    found, size = _read_alike(block, selection) or _read_each(block, selection)
    for (day, tool, event), count in found.items():
        counts[Group(day, tool, event, state)] += count
    return size


def _read_alike(
    block: bytes, selection: Selection
) -> tuple[Counter[tuple[str, str, str]], int] | None:
    """Count a block of sound lines by their envelopes alone; None when it is not like that."""
    begin = envelope.EVENT_KEY + b"{"
    texts = block.split(b"\n")
    is_whole = not texts.pop() and len(texts) == block.count(b"}}\n") == block.count(begin)
    starts = [text.find(begin) for text in texts] if is_whole else [-1]
    if -1 in starts or selection.consent is not None:
        return None
    try:
        str(block, "utf-8")  # msgspec does not look into an event that it passes over.
    except UnicodeDecodeError:
        return None
    labels = lines.labels(block)
    if len(labels) != len(texts):
        return None
    used = len(envelope.EVENT_KEY) + len(b"}")
    sizes = [len(text) - start - used for text, start in zip(texts, starts, strict=True)]
    if selection == lines.ALL:
        return Counter((_day(each.time), each.tool, each.kind) for each in labels), sum(sizes)
    found: Counter[tuple[str, str, str]] = Counter()
    total = 0
    for label, size in zip(labels, sizes, strict=True):
        if selection.takes(cast("Line", label)):  # It looks at nothing but these labels.
            found[_day(label.time), label.tool, label.kind] += 1
            total += size
    return found, total


def _read_each(block: bytes, selection: Selection) -> tuple[Counter[tuple[str, str, str]], int]:
    """Count a block line by line."""
    found: Counter[tuple[str, str, str]] = Counter()
    size = 0
    for text in lines.split_lines(block):
        line = lines.decode(text)
        if line is not None and selection.takes(line):
            found[_day(line.time), line.tool, line.kind] += 1
            size += len(bytes(line.event))
    return found, size


def _day(time: str) -> str:
    return time[:10] if time.endswith("+00:00") else (in_utc(time) or UNKNOWN_DAY)[:10]


def recorded_at(entry: Entry) -> str:
    """Say when an event was recorded: UTC, to the second; as it stands where it is no instant."""
    return in_utc(entry.time) or entry.time


def in_utc(time: str) -> str:
    """Write an instant in UTC, to the second; empty where it is none."""
    found = envelope.parse_time(time)
    if found is None:
        return ""
    try:
        return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:  # The first hours of the year 1, or the last of 9999, elsewhere.
        return ""
