"""Print how fast a tracker's events are written, and what an endpoint adds to a program's end.

Run it with `python -m tests.benchmarks.tracker [--rounds N] [--exits N]`. Events are written in
the batches of the tracker's thread, 50,000 of them. An end is timed beside one with telemetry
off, in pairs; afterwards the endpoint is back, the spool is replayed, and what arrived is counted.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.cost import DEAD, timed, variables
from tests.support.endpoint import Endpoint, drip, hang

if TYPE_CHECKING:
    from tests.support.endpoint import Behaviour, Connection, Received

EVENTS = 50
WRITTEN = 50_000

CALL = """
CALL = dict(
    service="sqs", operation="DeleteQueue", status_code=400,
    err_type="AWS.SimpleQueueService.NonExistentQueue",
    err_msg="The specified queue does not exist for this wsdl version.", is_internal=False,
    region="us-east-1", account_id="000000000000",
    user_agent="aws-cli/1.25.52 Python/3.10.4 Linux/5.13.0-28-generic botocore/1.27.52",
)
"""

WRITES = (
    CALL
    + """
import sys, time
from functools import partial
from usagectl import current_environment
from usagectl.emitting.permission import Emitter, permit
from usagectl.emitting.recorder import Recorder, build_session_event
from usagectl.events import schemas
environment, emitter = current_environment(), Emitter("mytool")
begin = partial(build_session_event, emitter=emitter)
recorder = Recorder(
    environment, "mytool", permit(environment, emitter), begin=begin, announce=lambda _: None
)
for _ in range(int(sys.argv[1])):
    recorder.record(schemas.of("aws_request"), CALL)
started, worked = time.perf_counter(), time.process_time()
recorder.write()
print(time.perf_counter() - started, time.process_time() - worked)
"""
)

ENDS = """
import sys, time
from usagectl import Tracker
tracker = Tracker("mytool")
for number in range(int(sys.argv[1])):
    tracker.aws_request(service="s3", operation=f"Op{number}", status_code=200)
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


def printed(script: str, *words: object) -> str:
    """Run a script in a home of its own, and return what it prints."""
    with tempfile.TemporaryDirectory() as name:
        # Recording is measured, not the dropping of what a spool has no room for.
        (Path(name) / "config").mkdir()
        (Path(name) / "config" / "settings.toml").write_text("[spool]\nmax_bytes = 4000000000\n")
        done = subprocess.run(
            [sys.executable, "-c", script, *map(str, words)],
            env=variables(Path(name), DEAD, OFF_TELEMETRY="off"),
            capture_output=True,
            check=True,
            text=True,
        )
    return done.stdout


def measure_writing(*, rounds: int) -> None:
    """Print how many events a second the tracker's thread writes."""
    times = [tuple(map(float, printed(WRITES, WRITTEN).split())) for _ in range(rounds)]
    wall, worked = (WRITTEN / min(each) for each in zip(*times, strict=True))
    print(f"{wall:,.0f} events written a second, {worked:,.0f} in one of its processor")


def measure_ends(folder: Path, *, rounds: int) -> None:
    """Print how much later than with telemetry off a program ends, for each endpoint."""
    words = [sys.executable, "-c", ENDS, str(EVENTS)]
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
            place = folder / way.replace(" ", "-")
            place.mkdir(parents=True)
            later = []
            for number in range(rounds + 1):
                on = timed(words, variables(place, base, MYTOOL_TELEMETRY="on"))
                off = timed(words, variables(folder, base, DISABLE_EVENTS="1"))
                if number:
                    later.append(on - off)
            median, most = statistics.median(later), max(later)
            print(f"{way:26}{median:+8.3f} s later, at most {most:+.3f} s", end="   ")
            time.sleep(11)  # What still sends has ended then.
            came = operations(endpoint) if way == "answers" else 0
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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--exits", type=int, default=5, help="rounds of ends; 0 leaves them out")
    options = parser.parse_args()
    measure_writing(rounds=options.rounds)
    if options.exits:
        with tempfile.TemporaryDirectory() as name:
            measure_ends(Path(name), rounds=options.exits)


if __name__ == "__main__":
    main()
