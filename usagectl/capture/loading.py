"""Own the reading of a capture file back into values."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl.capture.records import UNPARSED
from usagectl.events import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Captured(NamedTuple):
    """Hold one event as a client sent it, or one request without an event.

    Attributes:
        name: the event's name; `unnamed` without one, `unparsed` for a request without an event.
        body: the exact bytes of the event, or of such a request's body.
        tool: whose it is, as far as that can be told.
        method: such as `POST`.
        path: such as `/v1/events`.
        headers: the request's headers, in lower case; secret ones are left out.
        request: the same for all events of one request.
        problem: why no event was found, else empty.
    """

    name: str
    body: bytes
    tool: str
    method: str
    path: str
    headers: Mapping[str, str]
    request: str
    problem: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """Parse the event.

        Raises:
            ValueError: it is none.
        """
        found = json.loads(self.body)
        if not isinstance(found, dict):
            raise ValueError(self.problem)  # noqa: TRY004  (no JSON and no object are one to ask)
        return found


def load(file: Path) -> Iterator[Captured]:
    """Read a capture file, oldest first; a line that is none of its own is passed over.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        for line in stream:
            found = _parse(line.rstrip(b"\n"))
            if found is not None:
                yield found


def _parse(line: bytes) -> Captured | None:
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
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
