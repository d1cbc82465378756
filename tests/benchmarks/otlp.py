"""Print what becomes of many events as OpenTelemetry logs whose deliveries are killed.

Run it with `python -m tests.benchmarks.otlp [--events N] [--kills N]`. One process after another
delivers to an endpoint, which reads each request with opentelemetry-proto's own classes; all but
the last are ended with SIGKILL at a random instant. Printed are the events that arrived, those
that were lost, those that came more than once, and how fast the last process was.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.support.endpoint import Connection, Endpoint, Received
from tests.support.machine import REPOSITORY, Machine
from tests.support.otlp_events import draw
from tests.support.otlp_reading import BOTH, members, records_of
from tests.support.spooling import lay

REPLAY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tests.support.machine import Machine
from usagectl import spool
from usagectl.delivery import replay
variables = {"OTEL_EXPORTER_OTLP_PROTOCOL": sys.argv[3]}
environment = Machine(Path(sys.argv[1]), variables=variables).environment()
options = replay.Options(to=sys.argv[2], wire=replay.wire_of(environment, "otlp"))
with spool.open_spool(environment) as store:
    result = replay.run(environment, options, base=sys.argv[2], store=store)
assert result.problem is None, result
print(result.progress.sent, result.seconds)
"""


def deliver_killed(folder: Path, *, encoding: str, events: int, kills: int) -> None:
    """Deliver events while processes are killed, and print what arrived."""
    records = list(draw(events))
    lay(Machine(folder), *records)
    came: Counter[str] = Counter()

    def count(connection: Connection, request: Received) -> None:
        found = [members(each.attributes)["log.record.uid"] for _, each in records_of([request])]
        there.received.clear()  # They would take gigabytes.
        came.update(found)
        connection.answer(200, b"")

    with Endpoint(count) as there:
        base = f"http://127.0.0.1:{there.port}/v1/logs"
        words = [sys.executable, "-c", REPLAY, str(folder), base, encoding]
        drawn = random.Random(20261129)  # noqa: S311  (instants of a benchmark)
        for _ in range(kills):
            process = subprocess.Popen(words, cwd=REPOSITORY)
            time.sleep(drawn.uniform(0.5, 2.5))
            process.kill()
            process.wait()
        done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, check=True)
    sent, seconds = done.stdout.split()
    lost = sum(record.uid not in came for record in records)
    twice = sum(number > 1 for number in came.values())
    rate = int(sent) / float(seconds)
    print(
        f"{encoding:14} {len(came)} of {events} events arrived, {lost} lost, {twice} came more "
        f"than once after {kills} kills; {rate:,.0f} events/s, read by the receiver too"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10)
    chosen = parser.parse_args()
    for encoding in BOTH:
        with tempfile.TemporaryDirectory() as name:
            deliver_killed(Path(name), encoding=encoding, events=chosen.events, kills=chosen.kills)


if __name__ == "__main__":
    main()
