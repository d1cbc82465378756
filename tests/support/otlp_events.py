"""Events of every kind with drawn values, for tests that hold what arrives against them."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from tests.support.machine import NOW
from tests.support.spooling import make_record
from usagectl.events.record import format_client_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from usagectl.events.record import Record

_TEXTS = (
    "",
    "plain",
    "two words",
    'a "quote"',
    "back\\slash",
    "é ü ñ",
    "日本",
    "{}[]:,",
    "null",
    "0",
)


def draw(count: int) -> Iterator[Record]:
    """Draw events of the notice and of a program, each kind as often as any other."""
    drawn = Random(20261129)  # noqa: S311  (values of a test)
    for number in range(count):
        name = list(_PAYLOADS)[number % len(_PAYLOADS)]
        metadata = {"client_time": format_client_time(NOW), "session_id": f"session-{number}"}
        event = {"name": name, "metadata": metadata, "payload": _PAYLOADS[name](drawn)}
        body = json.dumps(event, ensure_ascii=bool(number % 2), separators=(",", ":"))
        yield make_record(body.encode(), kind=name, tool=f"tool-{number % 3}")


def _text(drawn: Random) -> str:
    return drawn.choice(_TEXTS)


def _integer(drawn: Random) -> int:
    return drawn.choice((0, 1, -1, 200, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)))


def _fraction(drawn: Random) -> float:
    return drawn.choice((0.5, -1.25, 3.0, 0.1, 1234567.875, 1e-7))


def _nested(drawn: Random) -> dict[str, Any]:
    call = {"service": _text(drawn), "count": _integer(drawn), "seconds": _fraction(drawn)}
    return {
        "api_calls": [call] * drawn.randrange(4),
        "empty": [[], {}],
        "deep": {"a": [{"b": [True, None, "x"]}], "c": None},
    }


_PAYLOADS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "session": lambda drawn: {
        "session_id": _text(drawn),
        "machine_id": "0123abcd",
        "api_key": drawn.choice((None, "", "token")),
        "system": "Linux",
        "version": "4.12.0",
        **{name: drawn.random() < 0.5 for name in ("is_ci", "is_docker", "is_testing")},
    },
    "aws_request": lambda drawn: {
        "service": _text(drawn),
        "operation": "DeleteQueue",
        "status_code": _integer(drawn),
        "err_msg": _text(drawn),
        "is_internal": drawn.random() < 0.5,
        "region": "us-east-1",
    },
    "aws_request_agg": _nested,
    "cli_cmd": lambda drawn: {
        "cmd": f"tool {_text(drawn)}",
        "params": [_text(drawn) for _ in range(drawn.randrange(4))],
        "version": drawn.choice(("1.0", "2.0")),
        "outcome": "success",
        "duration_ms": _integer(drawn),
    },
    "run_init": lambda drawn: {
        "stage": "READY",
        "scripts": drawn.randrange(9),
        "duration": _fraction(drawn),
    },
    "my_tool_built": lambda drawn: {
        "seconds": _fraction(drawn),
        "files": _integer(drawn),
        "is_clean": True,
        "targets": ["html", "pdf"],
    },
    "my_tool_cached": lambda drawn: {"outcome": "hit", "is_warm": False, "count": _integer(drawn)},
    "bare": lambda _drawn: {},
}
