"""Print what a recorded call costs, and what an endpoint adds to a program's exit, as ratios.

Run it with `python -m tests.benchmarks.tracker [--rounds N] [--localstack PYTHON]`, where PYTHON
is the interpreter of an environment that holds LocalStack. Its own aggregator and `log.event` then
take part, in the same process as the tracker. The contenders take turns; a figure is the median
of the rounds: for a burst of calls, as a busy program makes them, and for a loop that does nothing
else, in which the contenders' own threads share its processor.

An exit is timed beside one with telemetry off, in pairs. Afterwards the endpoint is back, the
spool is replayed, and what arrived is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.endpoint import Endpoint, drip, hang
from tests.support.machine import DEAD_PROXY, REPOSITORY

if TYPE_CHECKING:
    from tests.support.endpoint import Behaviour, Connection, Received

DEAD = "http://127.0.0.1:9/v1"
EVENTS = 50
BURST = 2_000

COSTS = """
import json, os, sys, threading, time
from usagectl import Tracker
calls, rounds, threads = (int(each) for each in sys.argv[1:4])
pause = float(sys.argv[4])
AGENT = "aws-cli/1.25.52 Python/3.10.4 Linux/5.13.0-28-generic awscrt/0.14.0 botocore/1.27.52"
CALL = dict(
    service="sqs", operation="DeleteQueue", status_code=400,
    err_type="AWS.SimpleQueueService.NonExistentQueue",
    err_msg="The specified queue does not exist for this wsdl version.", is_internal=False,
    region="us-east-1", account_id="000000000000", user_agent=AGENT,
)
trackers = [Tracker("counting", aggregate=True), Tracker("full"), Tracker("off")]
counted, full, off = (each.aws_request for each in trackers)
def count(times):
    for _ in range(times):
        counted(service="s3", operation="PutObject", status_code=200)
def record(times):
    for _ in range(times):
        full(**CALL)
def nothing(times):
    for _ in range(times):
        off(service="s3", operation="PutObject", status_code=200)
contenders = {"tracker, counted": count, "tracker, in full": record, "tracker, off": nothing}
try:
    from localstack.utils.analytics.logger import EventLogger
    from localstack.utils.analytics.publisher import GlobalAnalyticsBus
    from localstack.utils.analytics.service_request_aggregator import (
        ServiceRequestAggregator, ServiceRequestInfo,
    )
except ImportError:
    pass
else:
    class Nowhere:  # LocalStack's own client would post; the caller's cost is what is measured.
        def start_session(self, metadata):
            return self
        def track_events(self):
            return True
        def append_events(self, events):
            pass
        def close(self):
            pass
    aggregator = ServiceRequestAggregator()
    log = EventLogger(GlobalAnalyticsBus(client=Nowhere()), session_id="x" * 36)
    def add(times):
        for _ in range(times):
            aggregator.add_request(ServiceRequestInfo("s3", "PutObject", 200))
    def event(times):
        for _ in range(times):
            log.event("aws_request", dict(CALL))
    contenders |= {"LocalStack's aggregator": add, "LocalStack's log.event": event}
def crowd(deed):
    found = [threading.Thread(target=deed, args=(calls // threads,)) for _ in range(threads)]
    for each in found:
        each.start()
    for each in found:
        each.join()
times = {name: [] for name in contenders}
for _ in range(rounds + 1):
    for name, deed in contenders.items():
        started = time.perf_counter()
        crowd(deed)
        times[name].append((time.perf_counter() - started) / calls * 1e6)
        time.sleep(pause)
print(json.dumps({name: found[1:] for name, found in times.items()}), flush=True)
for each in trackers:
    each.close()
os._exit(0)
"""

OURS = """
import sys, time
from usagectl import Tracker
tracker = Tracker("mytool")
for number in range(int(sys.argv[1])):
    tracker.aws_request(service="s3", operation=f"Op{number}", status_code=200)
time.sleep(0.5)
"""

THEIRS = """
import sys, time
from localstack.utils import analytics
for number in range(int(sys.argv[1])):
    analytics.log.event("aws_request", service="s3", operation=f"Op{number}", status_code=200)
time.sleep(0.5)
"""


def after_the_session(behave: Behaviour) -> Behaviour:
    """Answer a session, so that events follow; behave badly to those."""

    def behave_to_events(connection: Connection, request: Received) -> None:
        if request.path.endswith("/session"):
            connection.answer(200)
        else:
            behave(connection, request)

    return behave_to_events


def variables(folder: Path, base: str, **more: str) -> dict[str, str]:
    """Give the environment of a run."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(REPOSITORY),
        "USAGECTL_CONFIG_DIR": str(folder / "config"),
        "USAGECTL_STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),
        "HTTP_PROXY": DEAD_PROXY,
        "HTTPS_PROXY": DEAD_PROXY,
        "ANALYTICS_API": base,
        "OVERRIDE_IN_DOCKER": "0",
        # Without it LocalStack's client looks for a file that its container has, and gives up.
        "LOCALSTACK_TELEMETRY_EDITION": "community",
        **more,
    }


def measure_costs(python: str, *, calls: int, rounds: int, threads: int, pause: float) -> None:
    """Print the cost of a call for each contender, and ours over LocalStack's."""
    with tempfile.TemporaryDirectory() as name:
        words = [python, "-c", COSTS, str(calls), str(rounds), str(threads), str(pause)]
        # Recording is measured, not the dropping of what a spool has no room for.
        (Path(name) / "config").mkdir()
        (Path(name) / "config" / "settings.toml").write_text("[spool]\nmax_bytes = 4000000000\n")
        # Off for one of the three alone.
        environment = variables(Path(name), DEAD, OFF_TELEMETRY="off")
        done = subprocess.run(words, env=environment, capture_output=True, check=True, text=True)
    # LocalStack prints too.
    times = json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"')))
    medians = {name: statistics.median(found) for name, found in times.items()}
    how = f"bursts of {calls:,} calls" if pause else f"{calls:,} calls without a pause"
    print(f"{threads} threads, {how}")
    for name, found in medians.items():
        print(f"{name:28}{found:8.2f} us a call   best {min(times[name]):.2f}")
    pairs = (
        ("tracker, counted", "LocalStack's aggregator"),
        ("tracker, in full", "LocalStack's log.event"),
    )
    for own, their in pairs:
        if their in times:
            ratio = statistics.median(a / b for a, b in zip(times[own], times[their], strict=True))
            print(f"{own} is {ratio:.2f} of {their}")


def timed(words: list[str], environment: dict[str, str]) -> float:
    """Run a program; give its wall time in seconds."""
    started = time.perf_counter()
    subprocess.run(words, env=environment, capture_output=True, check=True)
    return time.perf_counter() - started


def measure_exits(name: str, words: list[str], folder: Path, *, rounds: int) -> None:
    """Print how much later than with telemetry off a program ends, for each endpoint."""
    switches = {"off": {"DISABLE_EVENTS": "1"}, "on": {"MYTOOL_TELEMETRY": "on"}}
    ways: dict[str, Behaviour | None] = {
        "answers": None,
        "hangs": hang,
        "hangs after the session": after_the_session(hang),
        "drips after the session": after_the_session(drip),
        "refuses": None,
    }
    for way, behave in ways.items():
        with Endpoint(behave) as endpoint:
            base = DEAD if way == "refuses" else endpoint.base
            place = folder / name / way.replace(" ", "-")
            place.mkdir(parents=True)
            later = []
            for number in range(rounds + 1):
                on = timed(words, variables(place, base, **switches["on"]))
                off = timed(words, variables(folder, base, **switches["off"]))
                if number:
                    later.append(on - off)
            median, most = statistics.median(later), max(later)
            print(f"{name:12}{way:26}{median:+8.3f} s later, at most {most:+.3f} s", end="   ")
            time.sleep(11)  # What still sends has ended then.
            came = operations(endpoint) if way == "answers" else 0
        if name == "tracker":
            came += replayed(place)
        print(f"{came} of {(rounds + 1) * EVENTS} events arrived")


def operations(endpoint: Endpoint) -> int:
    """Count the calls that reached an endpoint."""
    events = [event for request in endpoint.received for event in request.events]
    return sum(event["name"] == "aws_request" for event in events)


def replayed(place: Path) -> int:
    """Bring an endpoint back for a spool, and count the calls that arrive."""
    with Endpoint() as back:
        environment = variables(place, back.base, MYTOOL_TELEMETRY="on")
        words = [sys.executable, "-m", "usagectl", "replay", "--yes", "--json"]
        subprocess.run(words, env=environment, capture_output=True, check=False)
        return operations(back)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--exits", type=int, default=5, help="rounds of exits; 0 leaves them out")
    parser.add_argument("--localstack", help="the Python of an environment with LocalStack")
    options = parser.parse_args()
    python = options.localstack or sys.executable
    rounds = options.rounds
    for threads in (1, 8):
        # What the contenders' own threads do after a burst does not delay its caller.
        measure_costs(python, calls=BURST, rounds=3 * rounds, threads=threads, pause=0.1)
        measure_costs(python, calls=options.calls, rounds=rounds, threads=threads, pause=0)
    if not options.exits:
        return
    with tempfile.TemporaryDirectory() as name:
        words = [sys.executable, "-c", OURS, str(EVENTS)]
        measure_exits("tracker", words, Path(name), rounds=options.exits)
        if options.localstack:
            words = [options.localstack, "-c", THEIRS, str(EVENTS)]
            measure_exits("localstack", words, Path(name), rounds=options.exits)


if __name__ == "__main__":
    main()
