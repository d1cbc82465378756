"""Tests of preview for usagectl itself: the exact bytes of its last and present events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from usagectl import recorded, spool
from usagectl.events import encoding
from usagectl.settings import save

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.preview import Preview

LAST = (
    b'{"name":"cli_cmd","metadata":{"client_time":"1"},"payload":{"cmd":"\xc3\xa9 1","params":[]}}'
)
PRESENT = b'{"name": "cli_cmd", "metadata": {}, "payload": {"cmd": "usagectl preview"}}'


def mode(machine: Machine, value: str) -> None:
    """Set usagectl's own mode."""
    save(machine.environment(), {"mode": value})


def own(machine: Machine, *, present: bytes | None = PRESENT, **options: Any) -> Preview:  # noqa: ANN401
    """Preview usagectl."""
    return recorded.preview_own(machine.environment(), present=present, **options)


def keep(machine: Machine, event: bytes, *, tool: str = "usagectl") -> None:
    """Put an event into the spool."""
    spool.append(machine.environment(), event, tool=tool, kind="event")


@pytest.mark.parametrize(
    ("chosen", "shown", "would_send"), [("off", 0, False), ("local", 1, False), ("on", 1, True)]
)
def test_own_events_are_shown_unless_off(
    machine: Machine, chosen: str, *, shown: int, would_send: bool
) -> None:
    """Off shows nothing, local shows what is recorded, on says that it would be sent."""
    mode(machine, chosen)
    found = own(machine)
    assert (len(found.requests), found.would_send) == (shown, would_send)
    assert len(own(machine, if_enabled=True).requests) == 1


def test_own_bytes_are_the_spools_and_the_present_events(machine: Machine) -> None:
    """The last event of the spool and the present one are joined byte for byte."""
    keep(machine, b'{"name":"cli_cmd","metadata":{},"payload":{"cmd":"older"}}')
    keep(machine, LAST)
    keep(machine, b'{"name":"other","metadata":{},"payload":{}}', tool="localstack")
    (request,) = own(machine).requests
    assert request.body == b'{"events":[' + LAST + b"," + PRESENT + b"]}"
    assert request.body == encoding.join_events([LAST, PRESENT])
    assert request.headers["Content-Length"] == str(len(request.body))
    assert (request.events, request.masked) == (("cli_cmd", "cli_cmd"), ())
    assert own(machine, present=None).requests[0].body == b'{"events":[' + LAST + b"]}"


@pytest.mark.parametrize(
    "junk",
    [
        b"5",
        b"null",
        b"[]",
        b"{}",
        b'{"name":5}',
        b'{"name":"x","payload":{}}',
        b'{"name":"\xed\xa0\x80"}',
        b"[" * 3000 + b"]" * 3000,
    ],
    ids=range(8),
)
def test_a_spoiled_spool_does_not_stop_preview(machine: Machine, junk: bytes) -> None:
    """A line that holds no event (people may edit the file) is not shown as one."""
    keep(machine, junk)
    assert own(machine).requests[0].body == b'{"events":[' + PRESENT + b"]}"


def test_raw_is_the_body_alone(machine: Machine) -> None:
    """--raw prints exactly the bytes that --json shows and the spool then holds."""
    first = machine.run("preview", "usagectl", "--raw")
    assert first.stderr == ""
    shown = json.loads(first.stdout)["events"]
    assert [event["payload"]["cmd"] for event in shown] == ["usagectl preview"]
    (segment,) = (machine.state_dir / "spool").glob("*.jsonl")
    assert segment.read_text().endswith(first.stdout.removeprefix('{"events":[')[:-2] + "}\n")
    second = machine.run("preview", "usagectl", "--raw")
    assert second.stdout.startswith(first.stdout[:-2] + ",")


def test_own_headers_name_nobody(machine: Machine, tmp_path: Path) -> None:
    """The request of usagectl itself carries no session, no machine and no cookie header."""
    (request,) = own(machine).requests
    assert set(request.headers) == {
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Encoding",
        "Connection",
        "Content-Type",
        "Content-Length",
    }
    assert str(tmp_path) not in str(request)
    assert request.headers["User-Agent"].startswith("usagectl/")
