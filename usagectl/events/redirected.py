"""Own what a shell makes of a stream that it redirects: PowerShell writes UTF-16, or a mark first.

It must not know what the stream holds.
"""

from __future__ import annotations

import codecs
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST_MARK = len(codecs.BOM_UTF8)


def as_utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give pieces in UTF-8, without the mark that tells their coding."""
    waiting = iter(pieces)
    head = b""
    while len(head) < _LONGEST_MARK and (piece := next(waiting, None)) is not None:
        head += piece
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        texts = codecs.iterdecode(chain([head], waiting), "utf-16", errors="replace")
        return (text.encode() for text in texts)
    return chain([head.removeprefix(codecs.BOM_UTF8)], waiting)


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut pieces into lines, their ends included; the last may lack its end."""
    rest: list[bytes] = []
    for piece in pieces:
        *whole, last = piece.split(b"\n")
        for line in whole:
            yield b"".join([*rest, line, b"\n"])
            rest = []
        if last:
            rest.append(last)
    if rest:
        yield b"".join(rest)
