"""Own the reading of many lines at once: msgspec checks them and slices the exact event bytes.

A run is a stretch of whole lines that stand one after another and are all
selected; so what needs no selection is cut out of a file in a few large pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from usagectl.events.slicing import REFUSED
from usagectl.spool import envelope, journal
from usagectl.spool.journal import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

SESSION = "session"
_END = b"}}\n"
_END_AND_NEXT = _END + b'{"uid":"'


class Line(msgspec.Struct, gc=False):
    """Hold the members of a line; the event is a slice of its bytes."""

    uid: str
    time: str
    tool: str
    kind: str
    event: msgspec.Raw
    consent: str = ""


class _OnlyLine(Line, forbid_unknown_fields=True, gc=False):
    """Be a line whose last member is its event, given that it ends with two braces."""


class Label(msgspec.Struct, gc=False):
    """Hold what counting needs of a line."""

    uid: str
    time: str
    tool: str
    kind: str


_line = msgspec.json.Decoder(Line)
_only_line = msgspec.json.Decoder(_OnlyLine)
_label = msgspec.json.Decoder(Label)


class Selection(NamedTuple):
    """Say which events are meant.

    Attributes:
        tools: whose; empty: everybody's.
        events: of which names; empty: all.
        since: recorded at this instant or later.
        until: recorded before this instant.
        uids: beginnings of uids; empty: all.
        consent: recorded under this consent to send; None: under any, or none.
        without: not of these tools.
    """

    tools: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    uids: tuple[str, ...] = ()
    consent: str | None = None
    without: tuple[str, ...] = ()

    def takes(self, line: Line) -> bool:
        """Tell whether a line is meant."""
        return (
            (not self.tools or line.tool in self.tools)
            and line.tool not in self.without
            and (not self.events or line.kind in self.events)
            and (not self.uids or line.uid.startswith(self.uids))
            and (self.consent is None or line.consent == self.consent)
            and self._is_in_time(line.time)
        )

    def _is_in_time(self, text: str) -> bool:
        if self.since is None and self.until is None:
            return True
        time = envelope.parse_time(text)
        if time is None:
            return False
        return (self.since is None or time >= self.since) and (
            self.until is None or time < self.until
        )


ALL = Selection()


class Source(Protocol):
    """Be something that lines are delivered from, and that remembers which are done."""

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Give what is not done, in blocks of whole lines, each with its first byte's place."""

    def prepare(self) -> None:
        """See that what is done can be noted.

        Raises:
            SpoolUnwritableError: it cannot.
        """

    def mark_done(self, spans: Iterable[Span]) -> None:
        """Remember that spans are done, so that they survive a kill.

        Raises:
            SpoolUnwritableError: it could not be noted.
        """

    def set_aside(self, start: int, line: bytes) -> None:
        """Take a line that is no record out of the way, without losing it."""


class Piece(NamedTuple):
    """Hold whole lines that stand one after another in a source.

    Attributes:
        source: where they stand.
        place: where their block begins in the source.
        block: what was read there.
        begin: where they begin in the block.
        end: where they end in it.
        amount: how many they are.
    """

    source: Source
    place: int
    block: bytes
    begin: int
    end: int
    amount: int

    @property
    def size(self) -> int:
        """Count the bytes of the lines."""
        return self.end - self.begin

    @property
    def data(self) -> bytes:
        """Slice the lines."""
        return self.block[self.begin : self.end]

    @property
    def span(self) -> Span:
        """Name the part of the source that it is."""
        head = self.block[self.begin : min(self.begin + 64, self.end)]
        return Span(self.place + self.begin, self.place + self.end, journal.label_of(head))

    def split(self, count: int, uid: str = "") -> tuple[Piece, Piece]:
        """Cut it after that many lines; the uid of the next one, where known, finds it faster."""
        amount = count
        cut = self.block.find(b'\n{"uid":"%b"' % uid.encode(), self.begin, self.end) if uid else -1
        # A uid that stands there twice would move the cut away from the events.
        if cut < 0 or self.block.count(b"\n", self.begin, cut + 1) != count:
            cut = self.begin - 1
            while count > 0:
                line_end = self.block.index(b"\n", cut + 1)
                count -= bool(self.block[cut + 1 : line_end].strip())  # A blank line holds nothing.
                cut = line_end
        return (
            self._replace(end=cut + 1, amount=amount),
            self._replace(begin=cut + 1, amount=self.amount - amount),
        )


class Run(NamedTuple):
    """Hold a piece and what its lines hold.

    Attributes:
        piece: the lines.
        found: each of them, read.
        is_session: whether they are session events, which travel one by one.
        has_unique_uids: whether a uid is known to find its line.
    """

    piece: Piece
    found: Sequence[Line]
    is_session: bool = False
    has_unique_uids: bool = False

    @property
    def events(self) -> list[msgspec.Raw]:
        """List the exact event bytes."""
        return [line.event for line in self.found]

    def take(self, count: int) -> tuple[Run, Run | None]:
        """Cut it after that many events; the second part is None when nothing is left."""
        if count >= len(self.found):
            return self, None
        uid = self.found[count].uid if count and self.has_unique_uids else ""
        first, rest = self.piece.split(count, uid)
        return (
            self._replace(piece=first, found=self.found[:count]),
            self._replace(piece=rest, found=self.found[count:]),
        )


def runs(source: Source, selection: Selection = ALL) -> Iterator[Run]:
    """Read the selected lines of a source as runs; a line that is no record is set aside."""
    for start, block in source.blocks():
        run = _decode_alike(source, start, block) if selection == ALL else None
        if run is not None:
            yield run
        else:
            yield from _decode_each(source, start, block, selection)


def _decode_alike(source: Source, start: int, block: bytes) -> Run | None:
    """Read a block whose lines are all sound, all meant, and no sessions; else None."""
    try:
        str(block, "utf-8")  # msgspec does not look into an event that it slices.
        found = _only_line.decode_lines(block)
    except REFUSED:
        return None
    # A line of known members that ends with two braces ends with its event, and that is an object.
    if not block.endswith(_END) or block.count(_END_AND_NEXT) != len(found) - 1:
        return None
    if SESSION in {line.kind for line in found}:
        return None
    is_unique = len({line.uid for line in found}) == len(found)
    piece = Piece(source, start, block, 0, len(block), len(found))
    return Run(piece, found, has_unique_uids=is_unique)


def _decode_each(source: Source, start: int, block: bytes, selection: Selection) -> Iterator[Run]:
    """Read a block line by line, and join what stands together."""
    waiting: list[tuple[int, bytes, Line]] = []
    for line in split_lines(block):
        found = decode(line)
        if found is None:
            source.set_aside(start, line)
        is_taken = found is not None and line.endswith(b"\n") and selection.takes(found)
        if found is not None and is_taken and found.kind != SESSION:
            waiting.append((start, line, found))
        else:
            yield from _join(source, waiting)
            waiting = []
        if found is not None and is_taken and found.kind == SESSION:
            piece = Piece(source, start, line, 0, len(line), 1)
            yield Run(piece, [found], is_session=True)
        start += len(line)
    yield from _join(source, waiting)


def split_lines(block: bytes) -> list[bytes]:
    """Split at line feeds alone: bytes.splitlines would take a carriage return for one too."""
    parts = [part + b"\n" for part in block.split(b"\n")]
    last = parts.pop()[:-1]
    return [*parts, last] if last else parts


def _join(source: Source, found: list[tuple[int, bytes, Line]]) -> Iterator[Run]:
    if found:
        data = b"".join([line for _, line, _ in found])
        piece = Piece(source, found[0][0], data, 0, len(data), len(found))
        yield Run(piece, [line for _, _, line in found])


def decode(line: bytes) -> Line | None:
    """Read one line; None when it is torn or no record."""
    try:
        str(line, "utf-8")  # msgspec does not look into an event that it slices.
        found = _line.decode(line)
    except REFUSED:
        return _decode_slowly(line)
    # The event stands last in the line, as it is: so says the form.
    tail = envelope.EVENT_KEY + bytes(found.event) + b"}"
    is_sound = line.rstrip(b"\r\n").endswith(tail) and tail.startswith(envelope.EVENT_KEY + b"{")
    return found if is_sound else None


def _decode_slowly(line: bytes) -> Line | None:
    """Read what is JSON and msgspec refuses: half a surrogate pair, as an escape."""
    found = envelope.parse_line(line.rstrip(b"\r\n")) if b"\\u" in line else None
    if found is None:
        return None
    event = msgspec.Raw(found.event)
    return Line(found.uid, found.time, found.tool, found.kind, event, found.consent)


def labels(block: bytes) -> list[Label]:
    """Read the labels of a block of lines; those that are no records are passed over.

    That the event of a line is sound is not looked at.
    """
    try:
        return _label.decode_lines(block)
    except REFUSED:
        pass
    found: list[Label] = []
    for line in split_lines(block):
        try:
            found.append(_label.decode(line))
        except REFUSED:
            slow = _decode_slowly(line)
            if slow is not None:
                found.append(Label(slow.uid, slow.time, slow.tool, slow.kind))
    return found
