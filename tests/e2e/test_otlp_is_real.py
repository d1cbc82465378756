"""Events reach rotel, a real receiver of OpenTelemetry, which prints each log record that arrived.

Its answer of 200 says nothing of what it understood: its own words are read back, field by field.
It is installed from PyPI. Run on demand: USAGECTL_E2E_TOOLS=1.
"""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.counting import wait_until
from tests.support.delivering import PATIENCE, states
from tests.support.machine import Machine
from tests.support.otlp_events import draw
from tests.support.spooling import lay
from usagectl import spool
from usagectl.delivery import replay
from usagectl.delivery.replay import ReplayResult
from usagectl.events.record import Record, format_client_time, parse_time

from .client_venv import find_or_make_python_tool
from .real_tools import on_demand

pytestmark = on_demand()

ROTEL = "0.0.1a15"
EVENTS = 1000
ENCODINGS = ("http/protobuf", "http/json")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def rotel() -> Path:
    """Give rotel's program."""
    venv = find_or_make_python_tool("rotel", ROTEL).parent.parent
    (program,) = venv.glob("lib/python*/site-packages/rotel/rotel-agent")
    program.chmod(0o755)
    return program


@contextmanager
def running(program: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run rotel, with what it prints at the end of a file; end it as a service manager does."""
    with log.open("ab") as file, socket.create_server(("127.0.0.1", 0)) as other:
        grpc = other.getsockname()[1]
        other.close()
        words = [str(program), "start", "--otlp-http-endpoint", f"127.0.0.1:{port}"]
        words += ["--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--exporter", "blackhole"]
        words += ["--debug-log", "logs", "--debug-log-verbosity", "detailed"]
        process = subprocess.Popen(words, stdout=file, stderr=file, env={})
    try:
        assert wait_until(lambda: is_listening(port), 10)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def is_listening(port: int) -> bool:
    """True if a connection can be made."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def deliver(
    machine: Machine, port: int, encoding: str, *, stop: Sequence[object] = ()
) -> ReplayResult:
    """Replay what waits; with `stop` the receiver is ended after three requests."""
    environment = machine.environment(variables={"OTEL_EXPORTER_OTLP_PROTOCOL": encoding})
    wire = replay.wire_of(environment, "otlp")
    to = f"http://127.0.0.1:{port}"
    base = replay.find_route(environment, spool.ALL, to=to, delivery_format="otlp").base
    options = replay.Options(to=to, wire=wire, batch_size=100, patience=PATIENCE)

    def end(progress: replay.Progress, _planned: int) -> None:
        for process in stop if progress.batches == 3 else ():
            assert isinstance(process, subprocess.Popen)
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    with spool.open_spool(environment) as store:
        return replay.run(environment, options, base=base, store=store, on_progress=end)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_field_arrives(machine: Machine, rotel: Path, tmp_path: Path, encoding: str) -> None:
    """A thousand events of all kinds, with the receiver stopped and started again in between."""
    records = list(draw(EVENTS))
    lay(machine, *records)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "rotel.log"
    with running(rotel, port, log) as process:
        first = deliver(machine, port, encoding, stop=[process])
    assert first.problem is not None
    assert (first.problem.code, first.progress.sent) == ("endpoint-unreachable", 300)
    with running(rotel, port, log):
        second = deliver(machine, port, encoding)
    assert (second.problem, second.progress.sent) == (None, EVENTS - 300)
    assert len(states(machine)["sent"]) == EVENTS
    printed = _COLOUR.sub("", log.read_text(encoding="utf-8"))
    blocks = re.split(r"^LogRecord #\d+\n", printed, flags=re.MULTILINE)[1:]
    found = {uid_of(block): block for block in blocks}
    assert len(found) == len(blocks) == EVENTS
    wrong = [
        (record.event, found.get(record.uid))
        for record in records
        if not found.get(record.uid, "").startswith(expected(record))
    ]
    assert wrong == []
    resources = set(re.findall(r"-> service\.(name|version): Str\((.*)\)", printed))
    assert resources == {
        *(("name", f"tool-{number}") for number in range(3)),
        *(("version", number) for number in ("1.0", "2.0")),
    }
    assert set(re.findall(r"^ +-> (host|process|os)\.", printed, flags=re.MULTILINE)) == set()


def uid_of(block: str) -> str:
    """Find an event's uid among its attributes."""
    found = re.search(r"-> log\.record\.uid: Str\((.*?)\)", block)
    return found[1] if found else ""


def expected(record: Record) -> str:
    """Write what rotel prints of an event, from the event alone."""
    event = json.loads(record.event)
    metadata = event["metadata"]
    time, observed = parse_time(metadata["client_time"]), parse_time(record.time)
    assert time is not None
    assert observed is not None
    assert format_client_time(time) == metadata["client_time"]
    attributes = {
        "log.record.uid": record.uid,
        "session.id": metadata["session_id"],
        **event["payload"],
    }
    lines = [
        f"ObservedTimestamp: {nanoseconds(observed.timestamp())}",
        f"Timestamp: {nanoseconds(time.timestamp())}",
        "SeverityText: ",
        "SeverityNumber: SEVERITY_NUMBER_INFO(9)",
        f"EventName: {event['name']}",
        "Body: Empty",
        "Attributes:",
        *(f"     -> {key}: {printed_form(value)}" for key, value in attributes.items()),
        "    Trace ID       : ",
    ]
    return "\n".join(lines)


def nanoseconds(seconds: float) -> int:
    """Return nanoseconds of an instant that has microseconds."""
    return round(seconds * 1_000_000) * 1000


def printed_form(value: object) -> str:
    """Write a value as rotel does."""
    if isinstance(value, list):
        items = ("Str(null)" if each is None else printed_form(each) for each in value)
        return f"Slice({', '.join(items)})"
    if isinstance(value, dict):
        pairs = (f"{key}:{printed_form(each)}" for key, each in value.items())
        return f"Map({', '.join(pairs)})"
    forms: dict[type, Callable[[Any], str]] = {
        type(None): lambda _: "Empty",
        bool: lambda each: f"Bool({str(each).lower()})",
        int: lambda each: f"Int({each})",
        float: lambda each: f"Double({each:.10f}".rstrip("0").rstrip(".") + ")",
        str: lambda each: f"Str({each})",
    }
    return forms[type(value)](value)
