"""Print how fast events are kept and delivered, beside what others reach, in one run on loopback.

Run it with `python -m tests.benchmarks.events [--events N] [--localstack PYTHON]`, where PYTHON
is the interpreter of an environment that holds LocalStack: its own client then takes part.
Every contender sends the same events to the same endpoint, a process of its own; each
figure is the median of the rounds, and the contenders take turns within a round.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.machine import REPOSITORY, Machine
from usagectl import spool
from usagectl.delivery import replay
from usagectl.delivery.requests import build_post
from usagectl.delivery.transport import HttpxTransport
from usagectl.spool import listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from usagectl.machine.environment import Environment

EVENT = (
    b'{"name":"cli_cmd","metadata":{"client_time":"2026-11-23 09:00:00.123456"},'
    b'"payload":{"cmd":"usagectl cache-dir set","params":["path","dry_run","json"],'
    b'"filler":"%b"}}' % (b"x" * 94)
)

# Reads whole requests and acknowledges them; it looks at nothing.
SERVER = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 20)
    data = b""
    while True:
        while b"\\r\\n\\r\\n" not in data:
            count = connection.recv_into(buffer)
            if not count:
                return
            data += bytes(buffer[:count])
        head, _, rest = data.partition(b"\\r\\n\\r\\n")
        lines = head.lower().split(b"\\r\\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        got = len(rest)
        while got < length:
            got += connection.recv_into(buffer)
        data = b""
        connection.sendall(
            b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n"
            b"Content-Length: 22\\r\\n\\r\\n" + b'{"track_events": true}'
        )
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"""

# LocalStack's own client, in its own environment, as its publisher calls it.
LOCALSTACK = """
import json, sys, time
from localstack.utils.analytics.client import AnalyticsClient
from localstack.utils.analytics.events import Event, EventMetadata
base, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
document = json.loads(sys.argv[4])
client = AnalyticsClient(base)
events = [
    Event(document["name"], EventMetadata("s", "2026-11-23 09:00:00.123456"), document["payload"])
    for _ in range(size)
]
client.append_events(events)
started = time.perf_counter()
for _ in range(count // size):
    client.append_events(events)
print(count / (time.perf_counter() - started))
"""

REPLAY = """
import resource, sys, time
from datetime import UTC, datetime
from pathlib import Path
from tests.support.machine import Machine
from usagectl import replay, transport
from usagectl.posts import build_post
environment = Machine(Path(sys.argv[1])).environment(now=lambda: datetime.now(UTC))
base = sys.argv[2]
options = replay.Options(to=base, batch_size=int(sys.argv[3]))
folder = replay.folder_for(environment, options)
way = transport.HttpxTransport(uses_proxies=False, uses_tls=False)
way.start(build_post([], base=base), deadline=time.monotonic() + 10).result()  # As the others.
result = replay.run(environment, options, base=base, folder=folder, transport=way)
assert result.problem is None, result
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(result.progress.sent, result.seconds, peak)
"""


def machine_in(folder: Path) -> tuple[Machine, Environment]:
    """Make a machine whose spool may hold everything."""
    machine = Machine(folder)
    machine.config_dir.mkdir(exist_ok=True)
    (machine.config_dir / "settings.toml").write_text("[spool]\nmax_bytes = 100000000000\n")
    return machine, machine.environment(now=lambda: datetime.now(UTC))


def fill(environment: Environment, count: int) -> float:
    """Append events from one process; give the rate."""
    started = time.perf_counter()
    with spool.Writer(environment) as writer:
        for _ in range(count):
            writer.append(EVENT, tool="usagectl", kind="cli_cmd")
    return count / (time.perf_counter() - started)


def bare_appends(folder: Path, count: int) -> float:
    """Append the same lines without an envelope or a bound: what a peer of the page does."""
    line = EVENT + b"\n"
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    started = time.perf_counter()
    for _ in range(count):
        os.write(descriptor, line)
    rate = count / (time.perf_counter() - started)
    os.close(descriptor)
    return rate


def send_joined(base: str, count: int, size: int) -> float:
    """Send events that lie in memory with http.client, their lines joined."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    lines = [EVENT] * size
    started = time.perf_counter()
    for _ in range(count // size):
        body = b'{"events":[' + b",".join(lines) + b"]}"
        connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
    rate = count / (time.perf_counter() - started)
    connection.close()
    return rate


def send_bare(base: str, count: int, size: int) -> float:
    """Send events that lie in memory with the transport of a replay: what httpx itself allows."""
    way = HttpxTransport(uses_proxies=False, uses_tls=False)
    post = build_post([EVENT] * size, base=base)
    way.start(post, deadline=time.monotonic() + 10).result()
    started = time.perf_counter()
    for _ in range(count // size):
        post = build_post([EVENT] * size, base=base)
        way.start(post, deadline=time.monotonic() + 10).result()
    rate = count / (time.perf_counter() - started)
    way.close()
    return rate


def send_localstack(python: str, base: str, count: int, size: int) -> float:
    """Send events that lie in memory as LocalStack's client does."""
    words = [python, "-c", LOCALSTACK, base, str(count), str(size), EVENT.decode()]
    return float(subprocess.run(words, capture_output=True, check=True).stdout)


def send_spool(base: str, count: int, size: int) -> tuple[float, int]:
    """Replay a spool of events in a process of its own; give the rate and the peak in KiB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, environment = machine_in(folder)
        fill(environment, count)
        words = [sys.executable, "-c", REPLAY, str(folder), base, str(size)]
        done = subprocess.run(words, capture_output=True, check=True, cwd=REPOSITORY)
    sent, seconds, peak = done.stdout.split()
    assert int(sent) == count
    return count / float(seconds), int(peak)


def compare(base: str, *, count: int, rounds: int, localstack: str | None) -> None:
    """Print the rates of all contenders, each round in turn."""
    contenders: dict[str, Callable[[], float]] = {}
    for size in (500, 1000, 2000):
        contenders[f"usagectl replay, {size} a batch"] = (
            lambda size=size: send_spool(base, count, size)[0]  # type: ignore[misc]
        )
        contenders[f"http.client, joined lines in memory, {size} a batch"] = (
            lambda size=size: send_joined(base, count, size)  # type: ignore[misc]
        )
        contenders[f"our transport (httpx), events in memory, {size} a batch"] = (
            lambda size=size: send_bare(base, count, size)  # type: ignore[misc]
        )
    if localstack:
        for size in (20, 500):
            contenders[f"LocalStack's client (requests), {size} a batch"] = (
                lambda size=size: send_localstack(localstack, base, count // 4, size)  # type: ignore[misc]
            )
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            rates[name].append(run())
    ours = statistics.median(rates["usagectl replay, 500 a batch"])
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"{name:54}{rate:>12,.0f} events/s   replay at 500 is {ours / rate:.2f} of it")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--localstack", help="the Python of an environment with LocalStack")
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert server.stdout is not None
    base = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    try:
        measure_appends(options.events, options.rounds)
        compare(base, count=options.events, rounds=options.rounds, localstack=options.localstack)
        few = send_spool(base, 10_000, replay.BATCH_SIZE)[1]
        many = send_spool(base, options.many, replay.BATCH_SIZE)[1]
        print(f"peak of a replay: 10,000 events {few} KiB, {options.many:,} events {many} KiB")
        print(f"that is {many / few:.2f} times as much")
        measure_stats(options.many)
    finally:
        server.kill()


def measure_appends(count: int, rounds: int) -> None:
    """Print how many events a process appends in a second."""
    ours, bare = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            ours.append(fill(machine_in(Path(name))[1], count))
            bare.append(bare_appends(Path(name), count))
    print(f"{'append, one write call an event':54}{statistics.median(ours):>12,.0f} events/s")
    print(
        f"{'os.write of a ready line, nothing else':54}{statistics.median(bare):>12,.0f} events/s"
    )


def measure_stats(count: int) -> None:
    """Print what counting that many events takes."""
    with tempfile.TemporaryDirectory() as name:
        _, environment = machine_in(Path(name))
        fill(environment, count)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        found = listing.stats(environment)
        took = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert found.total == count
    print(f"stats over {count:,} events: {took:.2f} s, {json.dumps(after - before)} KiB more")


if __name__ == "__main__":
    main()
