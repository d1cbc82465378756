"""The bytes of an event, built once: what preview shows, the spool keeps and delivery sends.

An event is compact UTF-8 JSON with keys in the notice's order.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from usagectl.events import text_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

CLI_CMD = "cli_cmd"


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
        payload={
            "cmd": text_rules.close_path(command),
            "params": text_rules.close_parameters(params),
        },
    )


def format_client_time(now: datetime) -> str:
    """Write an instant as the notice does: `2022-08-30 14:46:54.116457`.

    The notice names no zone; it is UTC, so that the time gives no place away.
    """
    from datetime import UTC  # the module is a type here otherwise

    return now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def join_events(events: Sequence[bytes]) -> bytes:
    """Join events into the body of one `/events` request without touching their bytes."""
    return b'{"events":[' + b",".join(events) + b"]}"
