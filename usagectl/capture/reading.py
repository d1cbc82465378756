"""A capture file, read back: its events and requests, what else was seen, how it was made."""

from __future__ import annotations

import base64
import json
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from usagectl.capture.decoding import decode
from usagectl.capture.observations import Observation, Seen
from usagectl.capture.records import RUN
from usagectl.events import record
from usagectl.events.reading import BESIDE, OBSERVED, UNPARSED, is_observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_Line = TypeVar("_Line")


class Captured(NamedTuple):
    """One event as a client sent it, or one request without an event."""

    name: str  # The event's name; `unnamed` without one, `unparsed` for a request without an event.
    body: bytes  # The exact bytes of the event, or of such a request's body where it was kept.
    tool: str  # The tool that sent it, as far as that is known.
    method: str
    path: str
    headers: Mapping[str, str]  # The request's headers, in lower case, without secret ones.
    request: str  # The same for all events of one request.
    problem: str = ""  # Why no event was found, else empty.
    is_foreign: bool = False  # Whether it came without the secret path of the capture.
    host: str = ""  # Where the request was to go, where a recorder knew it.
    port: int = 0
    scheme: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """Parse the event.

        Raises:
            ValueError: there is no event.
        """
        found = json.loads(self.body)
        if not isinstance(found, dict):
            raise ValueError(self.problem)  # noqa: TRY004  (no JSON and no object are one to ask)
        return found

    @property
    def content(self) -> bytes:
        """The event, or the body of a request without one with its coding taken off.

        Raises:
            UndecodableError: the coding is unknown or broken, or too much comes out of it.
        """
        return uncoded(self.body, self.headers, self.problem)


def uncoded(body: bytes, headers: Mapping[str, str], problem: str) -> bytes:
    """Take the coding off a body that a capture keeps; a problem is that of its line.

    Some libraries compress a body and send no header that says so.

    Raises:
        UndecodableError: the coding is unknown or broken, or too much comes out of it.
    """
    coding = "gzip" if body.startswith(_GZIP) else ""
    if problem not in ("", BESIDE):  # It was kept with its coding.
        coding = headers.get("content-encoding", coding)
    return decode(body, coding)


def load(file: Path) -> Iterator[Captured]:
    """Read the requests of a capture file, oldest first; skip lines of another form.

    Raises:
        OSError: it cannot be read.
    """
    return _load(file, _parse_line)


def load_observations(file: Path) -> Iterator[Seen]:
    """Read what a capture file tells of beside requests, in the order of first seen.

    Raises:
        OSError: it cannot be read.
    """
    return _load(file, _parse_observation)


def load_run(file: Path) -> Mapping[str, object] | None:
    """Read how a capture was made; None where its file does not say.

    Raises:
        OSError: it cannot be read.
    """
    last = deque(_load(file, _parse_run), maxlen=1)
    return last[0] if last else None


def _load(file: Path, parse: Callable[[bytes], _Line | None]) -> Iterator[_Line]:
    with file.open("rb") as stream:
        for line in stream:
            found = parse(line.rstrip(b"\n"))
            if found is not None:
                yield found


def _parse_observation(line: bytes) -> Seen | None:
    try:
        members = json.loads(line)
        if not is_observation(members):
            return None
        texts = [members[name] for name in (OBSERVED, "host", "address", "port", "detail")]
        return Seen(Observation(*texts), members["count"], datetime.fromisoformat(members["time"]))
    except (ValueError, KeyError, TypeError):
        return None


def _parse_run(line: bytes) -> Mapping[str, object] | None:
    if RUN.encode() not in line[:40]:  # Few lines are worth parsing twice.
        return None
    try:
        members = json.loads(line)
    except ValueError:
        return None
    return members if is_observation(members) and members[OBSERVED] == RUN else None


def _parse_line(line: bytes) -> Captured | None:
    head, key, event = line.partition(record.EVENT_KEY)
    try:
        members = json.loads(head + b"}" if key else line)
        body = event.removesuffix(b"}")
        coded = members.get("raw" if key else "body")
        if coded is not None:
            body = base64.b64decode(coded)
        return Captured(
            name=members["kind"] if key else UNPARSED,
            body=body,
            tool=members["tool"],
            method=members["method"],
            path=members["path"],
            headers=members["headers"],
            request=members["request"],
            problem=members.get("problem", ""),
            is_foreign=members.get("foreign") is True,
            host=members.get("host", ""),
            port=members.get("port", 0),
            scheme=members.get("scheme", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
