"""Own the forms that events come in: blocks of lines, one JSON value each, or one document.

Reading is streaming: a block holds whole lines, and a line that is longer than any
event can be is passed over in pieces. It must not know rules.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from usagectl.audit import usual
from usagectl.audit.repeats import Repeats, may_repeat
from usagectl.events.redirected import as_utf8
from usagectl.events.slicing import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from usagectl.audit.auditor import Auditor

BLOCK_BYTES = 64 * 1024
_MOST_LINE_BYTES = 32 * 1024 * 1024
_MOST_DOCUMENT_BYTES = 64 * 1024 * 1024
_MOST_DIGITS = 300
_BLANK = re.compile(r"[ \t\r\n]*")
_decoder = msgspec.json.Decoder()


class Block(NamedTuple):
    """Hold whole lines, and the number of the first; a line too long stands there empty-handed."""

    line: int
    data: bytes
    amount: int
    is_too_long: bool = False


def block_of(line: int, data: bytes) -> Block:
    """Make a block of whole lines; the last may lack its end."""
    return Block(line, data, data.count(b"\n") + (not data.endswith(b"\n")))


def pieces_of(source: BinaryIO | Iterable[bytes]) -> Iterable[bytes]:
    """Read a stream in pieces, as they come; other iterables give pieces by themselves."""
    stream: Any = source
    if not hasattr(stream, "read"):
        return source
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return iter(lambda: read(BLOCK_BYTES), b"")


def cut(pieces: Iterable[bytes]) -> Iterator[Block]:
    """Cut pieces of any size into blocks of whole lines."""
    rest: list[bytes] = []
    held, line, is_skipping = 0, 1, False
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if not end:
            is_skipping = is_skipping or held + len(piece) > _MOST_LINE_BYTES
            rest, held = ([], 0) if is_skipping else ([*rest, piece], held + len(piece))
            continue
        if is_skipping:
            start = piece.find(b"\n") + 1
            yield Block(line, b"", 1, is_too_long=True)
            line, is_skipping = line + 1, False
            data = piece[start:end]
        else:
            data = b"".join([*rest, piece[:end]])
        if data:
            block = block_of(line, data)
            yield block
            line += block.amount
        rest = [piece[end:]] if end < len(piece) else []
        held = len(piece) - end
    if is_skipping:
        yield Block(line, b"", 1, is_too_long=True)
    elif held:
        yield block_of(line, b"".join(rest))


def feed(auditor: Auditor, pieces: Iterable[bytes], *, after: Callable[[int], None]) -> None:
    """Audit everything in a stream of bytes; `after` is told of each block's size."""
    blocks = cut(as_utf8(pieces))
    head = next(blocks, None)
    if head is not None and not head.is_too_long and _looks_like_document(head.data):
        head = _feed_document(auditor, head, blocks)
    while head is not None:
        feed_block(auditor, head)
        after(len(head.data))
        head = next(blocks, None)


def _looks_like_document(data: bytes) -> bool:
    """Tell whether JSON is set out over many lines: the first of them is none by itself."""
    first = data.lstrip().partition(b"\n")[0].strip()
    return first.startswith((b"{", b"[")) and decode(first)[0] is None


def _feed_document(auditor: Auditor, head: Block, blocks: Iterator[Block]) -> Block | None:
    """Audit JSON that is set out over many lines; what is none is gone through by line."""
    held, size = [head], len(head.data)
    for block in blocks:
        held.append(block)
        size += len(block.data)
        if size > _MOST_DOCUMENT_BYTES or block.is_too_long:
            break
    else:
        _feed_values(auditor, b"".join(block.data for block in held))
        return None
    for block in held[:-1]:
        feed_block(auditor, block)
    return held[-1]


def _feed_values(auditor: Auditor, data: bytes) -> None:
    """Audit JSON values that stand one after another; from the first that is none on, by line."""
    text = data.decode("utf-8", "replace")
    place, line = 0, 1
    while True:
        start = _BLANK.match(text, place).end()  # type: ignore[union-attr]
        line += text.count("\n", place, start)
        if start >= len(text):
            return
        repeats = Repeats()
        decoder = json.JSONDecoder(object_pairs_hook=repeats.build)
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            feed_block(auditor, block_of(line, text[start:].encode()))
            return
        _add(auditor, value, repeats, line)
        line += text.count("\n", start, place)


def feed_block(auditor: Auditor, block: Block) -> None:
    """Audit a block of whole lines."""
    if block.is_too_long:
        auditor.add_bad_line(block.line)
    elif not (_feed_usual(auditor, block) or _feed_sound(auditor, block)):
        for line, text in enumerate(block.data.split(b"\n"), start=block.line):
            if text.strip():
                feed_line(auditor, text.strip(), line)


def _feed_usual(auditor: Auditor, block: Block) -> bool:
    """Audit lines that are events of the usual build; False, and nothing done, if they are not."""
    found = usual.read(block.data)
    if found is None or len(found) != block.amount:
        return False
    add = auditor.add_usual
    for line, each in enumerate(found, start=block.line):
        if isinstance(each, usual.Event):
            is_done = add(each, None, line=line)
        else:
            is_done = add(each.event, each.headers, line=line)
        if not is_done:
            feed_line(auditor, usual.write(each), line)
    return True


def _feed_sound(auditor: Auditor, block: Block) -> bool:
    """Audit lines of JSON in which no name stands twice; False, and nothing done, if one may."""
    try:
        values = _decoder.decode_lines(block.data)
    except REFUSED:
        return False
    if len(values) != block.amount or may_repeat(block.data, values):
        return False
    for line, value in enumerate(values, start=block.line):
        if not auditor.add(value, line=line):
            auditor.add_bad_line(line)
    return True


def _number(digits: str) -> float:
    return float(digits) if len(digits) > _MOST_DIGITS else int(digits)


def feed_line(auditor: Auditor, text: bytes, line: int) -> None:
    """Audit one line."""
    value, repeats = decode(text)
    if value is None:
        auditor.add_bad_line(line)
    else:
        _add(auditor, value, repeats, line)


def _add(auditor: Auditor, value: object, repeats: Repeats, line: int) -> None:
    add = auditor.add if not repeats else partial(auditor.add_repeating, repeats)
    if not add(value, line=line):
        auditor.add_bad_line(line)


def decode(text: bytes) -> tuple[object, Repeats]:
    """Read one JSON value, and what it lost to names that stand twice; None when it is none.

    What msgspec refuses Python's own reader may take: clients written in Python send
    NaN, and texts with half of a surrogate pair.
    """
    repeats = Repeats()
    try:
        found: object = _decoder.decode(text)
    except REFUSED:
        found = None
    if found is not None and not may_repeat(text, [found]):
        return found, repeats
    try:
        # Thousands of digits are no int to Python; how large a number is decides on nothing.
        found = json.loads(text, parse_int=_number, object_pairs_hook=repeats.build)
    except (ValueError, RecursionError):
        return None, repeats
    return found, repeats
