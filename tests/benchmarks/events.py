"""Print how fast events are delivered, beside LocalStack's own client.

Run it with `python -m tests.benchmarks.events [--events N] [--localstack PYTHON]`, where PYTHON
is the interpreter of an environment that holds LocalStack: its own client then takes part.
Every contender sends the same events to the same endpoint, a process of its own; each
figure is the median of the rounds, and the contenders take turns within a round.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.machine import REPOSITORY, Machine
from usagectl import spool
from usagectl.delivery import replay
from usagectl.events.record import new_record

if TYPE_CHECKING:
    from collections.abc import Callable

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
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
import httpx
from tests.support.machine import Machine
from usagectl import spool
from usagectl.delivery import replay
environment = Machine(Path(sys.argv[1])).environment(now=lambda: datetime.now(UTC))
base = sys.argv[2]
options = replay.Options(to=base, batch_size=int(sys.argv[3]))
with spool.open_spool(environment) as store:
    result = replay.run(environment, options, base=base, store=store)
assert result.problem is None, result
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(result.progress.sent, result.seconds, peak)
"""


def fill(folder: Path, count: int) -> None:
    """Make a machine whose spool may hold everything, and add so many events."""
    machine = Machine(folder)
    machine.config_dir.mkdir(exist_ok=True)
    (machine.config_dir / "settings.toml").write_text("[spool]\nmax_bytes = 100000000000\n")
    environment = machine.environment(now=lambda: datetime.now(UTC))
    now, entropy = environment.now(), environment.entropy
    labels = {"tool": "usagectl", "kind": "cli_cmd"}
    records = [new_record(EVENT, now=now, entropy=entropy, **labels) for _ in range(500)]
    for start in range(0, count, len(records)):
        spool.append_all(environment, records[: count - start])


def send_localstack(python: str, base: str, count: int, size: int) -> float:
    """Send events that lie in memory as LocalStack's client does; return the rate."""
    words = [python, "-c", LOCALSTACK, base, str(count), str(size), EVENT.decode()]
    return float(subprocess.run(words, capture_output=True, check=True).stdout)


def send_spool(base: str, count: int, size: int) -> tuple[float, int]:
    """Replay a spool of events in a process of its own; return the rate and the peak in KiB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, count)
        words = [sys.executable, "-c", REPLAY, str(folder), base, str(size)]
        done = subprocess.run(words, capture_output=True, check=True, cwd=REPOSITORY)
    sent, seconds, peak = done.stdout.split()
    assert int(sent) == count
    return count / float(seconds), int(peak)


def compare(base: str, *, count: int, rounds: int, localstack: str | None) -> None:
    """Print the rates of all contenders, each round in turn."""
    size = replay.BATCH_SIZE
    contenders: dict[str, Callable[[], float]] = {
        f"usagectl replay, {size} a batch": lambda: send_spool(base, count, size)[0]
    }
    if localstack:
        for each in (20, size):
            contenders[f"LocalStack's client (requests), {each} a batch"] = partial(
                send_localstack, localstack, base, count // 4, each
            )
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            rates[name].append(run())
    ours = statistics.median(next(iter(rates.values())))
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"{name:54}{rate:>12,.0f} events/s   a replay is {ours / rate:.1f} times as fast")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--localstack", help="the Python of an environment with LocalStack")
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert server.stdout is not None
    base = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    try:
        compare(base, count=options.events, rounds=options.rounds, localstack=options.localstack)
        few = send_spool(base, 10_000, replay.BATCH_SIZE)[1]
        many = send_spool(base, options.many, replay.BATCH_SIZE)[1]
        print(f"peak of a replay: 10,000 events {few} KiB, {options.many:,} events {many} KiB")
        print(f"that is {many / few:.2f} times as much")
    finally:
        server.kill()


if __name__ == "__main__":
    main()
