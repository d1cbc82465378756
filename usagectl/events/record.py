"""Events as bytes, and recorded events with their labels and JSON Lines form.

An event is compact UTF-8 JSON with keys in the notice's order; it is serialised once, and
preview, spool and delivery pass the same bytes on.

A record's line is what `export`, `replay --file` and captures hold:
`{"uid":…,"time":…,"tool":…,"kind":…,"event":{…}}`. `kind` is the event's name. An event that was
recorded while its user let usagectl send has one more member, `consent`: which consent that was.
Further members stand before `event`, which is last, so that its exact bytes can be sliced.
"""

from __future__ import annotations

import codecs
import json
import re
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

CLI_CMD = "cli_cmd"
CLI_MEMBERS = ("version", "outcome", "duration_ms")
"""Members of ours that an author may have recorded beside those of the notice, in its order."""

OTHER = "other"
"""What stands for a word, region, error type, service or system that is not a known one."""

MOST_WORDS = 8
"""The greatest length of a command path, the program's name included."""

# One word is `build`, `cache-dir`, `db:migrate`, and not `arn:…`, `C:…`, `host:4566`, `s3://…`.
WORD = (
    r"(?![0-9]+(?:[ :]|$)|(?i:arn):|[^ :]:|[^ ]{65})[A-Za-z0-9][A-Za-z0-9_-]*"
    r"(?::[A-Za-z][A-Za-z0-9_-]*){0,3}"
)
PARAMETER = "[A-Za-z_][A-Za-z0-9_-]{0,63}"

EVENT_KEY = b',"event":'
_RANDOM_BYTES = 10
_48_BITS = (1 << 48) - 1
_VARIANTS = "89ab" * 4
_LONGEST_MARK = len(codecs.BOM_UTF8)


def build_cli_cmd(
    command: Iterable[str],
    params: Iterable[str],
    *,
    now: datetime,
    added: Mapping[str, object] | None = None,
) -> bytes:
    """Build the notice's CLI invocation event: no session, no machine, no values.

    Args:
        command: the words of the command path, such as `usagectl`, `cache-dir` and `set`;
            `other` stands for one without the form of a name.
        params: names of the parameters typed, in declaration order; one without the form
            of a name is left out.
        now: the instant of the invocation.
        added: values of `CLI_MEMBERS`; without them the event is the notice's own.
    """
    words = [word if word and re.fullmatch(WORD, word) else OTHER for word in command]
    event = {
        "name": CLI_CMD,
        "metadata": {"client_time": format_client_time(now)},
        "payload": {
            "cmd": " ".join(words[:MOST_WORDS]),
            "params": [name for name in params if re.fullmatch(PARAMETER, name)],
            **(added or {}),
        },
    }
    return json.dumps(event, separators=(",", ":")).encode("ascii")


def format_client_time(now: datetime) -> str:
    """Write an instant as the notice does: `2022-08-30 14:46:54.116457`.

    The notice names no zone; it is UTC, so that the time gives no place away.
    """
    return now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


class Record(Value):
    """One recorded event: its labels and its exact bytes."""

    uid: str  # A UUIDv7.
    time: str  # When it was recorded, ISO 8601 with its zone.
    tool: str
    kind: str  # The event's name.
    event: bytes
    consent: str = ""  # The one to send it, if there was one.


def new_record(
    event: bytes,
    *,
    tool: str,
    kind: str,
    consent: str = "",
    now: datetime,
    entropy: Callable[[int], bytes],
) -> Record:
    """Label an event that is recorded now."""
    time = now.isoformat(timespec="microseconds")
    return Record(build_uid(now, entropy), time, tool, kind, event, consent)


def build_uid(now: datetime, entropy: Callable[[int], bytes]) -> str:
    """Build a UUIDv7: milliseconds since 1970, then random bits (RFC 9562, section 5.7)."""
    start = f"{int(now.timestamp() * 1000) & _48_BITS:012x}"
    drawn = entropy(_RANDOM_BYTES).hex()
    variant = _VARIANTS[int(drawn[3], 16)]
    return f"{start[:8]}-{start[8:]}-7{drawn[:3]}-{variant}{drawn[4:7]}-{drawn[7:19]}"


def to_line(record: Record, members: Mapping[str, object] | None = None) -> bytes:
    """Write a record as one line, without a line end; further members stand before the event."""
    labels = {"uid": record.uid, "time": record.time, "tool": record.tool, "kind": record.kind}
    if record.consent:
        labels["consent"] = record.consent
    head = json.dumps({**labels, **(members or {})}, separators=(",", ":")).encode("ascii")
    return b"%b%b%b}" % (head[:-1], EVENT_KEY, record.event)


def parse_time(text: str) -> datetime | None:
    """Read an instant, None if the text is not one; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def in_utc(time: str) -> str:
    """Write an instant in UTC, to the second; empty where it is not one."""
    at = parse_time(time)
    try:
        return at.astimezone(UTC).isoformat(" ", "seconds").removesuffix("+00:00") if at else ""
    except OverflowError:  # The first hours of the year 1, or the last of 9999, elsewhere.
        return ""


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
