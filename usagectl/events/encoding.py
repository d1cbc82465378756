"""Exact bytes of an event, built once; preview, spool and delivery pass the same bytes on.

An event is compact UTF-8 JSON with keys in the notice's order. What others wrote in another
encoding is read as UTF-8.
"""

from __future__ import annotations

import codecs
import json
import re
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

CLI_CMD = "cli_cmd"
OTHER = "other"
"""What stands for a word, region, error type, service or system that is not a known one."""

MOST_WORDS = 8
"""How long a command path may be, the program's name included."""

# One word is `build`, `cache-dir`, `db:migrate`, and not `arn:…`, `C:…`, `host:4566`, `s3://…`.
WORD = (
    r"(?![0-9]+(?:[ :]|$)|(?i:arn):|[^ :]:|[^ ]{65})[A-Za-z0-9][A-Za-z0-9_-]*"
    r"(?::[A-Za-z][A-Za-z0-9_-]*){0,3}"
)
PARAMETER = "[A-Za-z_][A-Za-z0-9_-]{0,63}"

_LONGEST_MARK = len(codecs.BOM_UTF8)


def build_event(
    name: str, *, metadata: Mapping[str, object], payload: Mapping[str, object]
) -> bytes:
    """Serialise one event: `{"name":…,"metadata":{…},"payload":{…}}`."""
    event = {"name": name, "metadata": metadata, "payload": payload}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def build_cli_cmd(command: Iterable[str], params: Iterable[str], *, now: datetime) -> bytes:
    """Build the notice's CLI invocation event: no session, no machine, no values.

    Args:
        command: the words of the command path, such as `usagectl`, `cache-dir` and `set`;
            `other` stands for one without the form of a name.
        params: names of the parameters typed, in declaration order; one without the form
            of a name is left out.
        now: the instant of the invocation.
    """
    return build_event(
        CLI_CMD,
        metadata={"client_time": format_client_time(now)},
        payload={"cmd": _close_path(command), "params": _close_parameters(params)},
    )


def _close_path(words: Iterable[object]) -> str:
    """Join words to a command path; `other` stands for one that has no name's form."""
    is_word = re.compile(WORD).fullmatch
    closed = [word if isinstance(word, str) and is_word(word) else OTHER for word in words]
    return " ".join(closed[:MOST_WORDS])


def _close_parameters(names: Iterable[object]) -> list[str]:
    """List the names that have the form of a parameter's name, in their order."""
    is_parameter = re.compile(PARAMETER).fullmatch
    return [name for name in names if isinstance(name, str) and is_parameter(name)]


def format_client_time(now: datetime) -> str:
    """Write an instant as the notice does: `2022-08-30 14:46:54.116457`.

    The notice names no zone; it is UTC, so that the time gives no place away.
    """
    from datetime import UTC  # the module is a type here otherwise

    return now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def join_events(events: Sequence[bytes]) -> bytes:
    """Join events into the body of one `/events` request without touching their bytes."""
    return b'{"events":[' + b",".join(events) + b"]}"


def as_utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces in UTF-8, without a byte order mark.

    PowerShell writes UTF-16, or a mark first, into a file that it redirects to.
    """
    waiting = iter(pieces)
    head = b""
    while len(head) < _LONGEST_MARK and (piece := next(waiting, None)) is not None:
        head += piece
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        texts = codecs.iterdecode(chain([head], waiting), "utf-16", errors="replace")
        return (text.encode() for text in texts)
    return chain([head.removeprefix(codecs.BOM_UTF8)], waiting)
