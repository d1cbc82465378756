"""What is shown is what is sent: byte for byte, from the spool to the socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.support.endpoint import Endpoint
from tests.support.spooling import lay, make_record

if TYPE_CHECKING:
    from tests.support.machine import Machine

COUNT = 1000

texts = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", ',"event":', "}\n{", "\r", "\u2028", "\0", "é", "\udcff"]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def spell(value: object, spelling: int) -> bytes:
    """Write JSON in one of several ways, none of which may be changed on the way."""
    ascii_only, spaced = spelling & 1, spelling & 2
    separators = (" , ", " : ") if spaced else (",", ":")
    text = json.dumps(value, ensure_ascii=bool(ascii_only), separators=separators)
    return text.encode("utf-8", "replace")


def generate(count: int) -> list[bytes]:
    """Draw events: odd names, spacing, escapes, half pairs, big numbers, duplicate keys."""
    found: list[bytes] = []

    @seed(20261123)
    @settings(
        max_examples=count,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(texts.filter(lambda name: name not in ("", "session")), values, st.integers(0, 3))
    def draw(name: str, value: object, spelling: int) -> None:
        payload = spell({"v": value}, spelling)
        twice = b',"v":12345678901234567890123456789.000100' if spelling == 3 else b""
        found.append(
            b'{"name":%b,"metadata":{},"payload":%b%b}' % (spell(name, spelling), payload, twice)
        )

    draw()
    while len(found) < count:
        found.append(found[len(found) % 97])
    return found[:count]


def output(machine: Machine, *words: str) -> bytes:
    """Run a command line and give the very bytes of its stdout."""
    done = machine.run(*words, variables={"USAGECTL_TELEMETRY": "local"})
    assert done.status == 0, done.stderr
    return done.stdout.encode()


@pytest.fixture
def filled(machine: Machine) -> tuple[Machine, list[bytes]]:
    """Put a thousand events into the spool, and let no command add its own."""
    bodies = generate(COUNT)
    lay(machine, *(make_record(body, kind="drawn") for body in bodies))
    return machine, bodies


def test_the_bytes_shown_are_the_bytes_on_the_socket(filled: tuple[Machine, list[bytes]]) -> None:
    """A thousand events: spool show, preview and the dry run print what the endpoint receives."""
    machine, bodies = filled
    kind = ("--event", "drawn")
    shown = output(machine, "spool", "show", "--raw", *kind)
    assert shown == b"".join(body + b"\n" for body in bodies)
    exported = output(machine, "spool", "export", "--events", *kind)
    assert exported == shown
    size = ("--batch-size", "70")
    with Endpoint() as endpoint:
        to = ("--to", endpoint.base)
        planned = output(machine, "replay", "--dry-run", "--raw", *to, *size, *kind)
        assert endpoint.accepted == 0
        previewed = json.loads(output(machine, "preview", "usagectl", "--waiting", "--json"))
        output(machine, "replay", *to, *size, *kind)
    assert b"".join(body + b"\n" for body in endpoint.bodies) == planned
    assert len(endpoint.received) == -(-COUNT // 70)
    joined = b",".join(bodies)
    assert b",".join(body[11:-2] for body in endpoint.bodies) == joined
    waiting = ",".join(request["body"][11:-2] for request in previewed["data"]["requests"])
    assert waiting.encode().startswith(joined)
    for request in endpoint.received:
        assert request.headers["Content-Length"] == str(len(request.body))


def test_a_file_of_any_form_arrives_the_same(filled: tuple[Machine, list[bytes]]) -> None:
    """Records, plain events and whole bodies of a file reach the socket as their exact bytes."""
    machine, bodies = filled
    output(machine, "spool", "export", "records.jsonl", "--event", "drawn")
    output(machine, "spool", "export", "--events", "events.jsonl", "--event", "drawn")
    halves = (bodies[:600], bodies[600:])
    lines = [b'{"events":[' + b",".join(half) + b"]}\n" for half in halves]
    (machine.cwd / "bodies.jsonl").write_bytes(b"".join(lines))
    for name in ("records.jsonl", "events.jsonl", "bodies.jsonl"):
        before = (machine.cwd / name).read_bytes()
        with Endpoint() as endpoint:
            output(machine, "replay", "--file", name, "--to", endpoint.base)
        assert b",".join(body[11:-2] for body in endpoint.bodies) == b",".join(bodies), name
        assert (machine.cwd / name).read_bytes() == before


def test_headers_shown_are_headers_sent(machine: Machine) -> None:
    """The header lines that preview shows are those that arrive, and no other."""
    with Endpoint() as endpoint:
        variables = {"ANALYTICS_API": endpoint.base}
        machine.run("status", variables=variables)
        shown = machine.run("preview", "usagectl", "--waiting", "--json", variables=variables).data[
            "requests"
        ][0]
        machine.run("replay", "--limit", "1", "--to", endpoint.base)
        base = endpoint.base.removesuffix("/v1")
    (request,) = endpoint.received
    assert request.headers == shown["headers"]
    assert request.body.decode() == shown["body"]
    assert f"{base}{request.path}" == shown["url"]
