"""Print what recording and sending add to a command, as ratios of runs made in pairs.

Run it with `python -m tests.benchmarks.cost [--rounds N]`. Each round runs
every contender once, in turn; a ratio is the median over the rounds. With sending on, the
endpoint answers, hangs, refuses, or drops (a listener whose queue is full: no answer to a SYN).
Afterwards the endpoint is back, `usagectl replay` runs, and what arrived is counted.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.endpoint import Endpoint, hang
from tests.support.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "import sys; from usagectl.__main__ import main; main()"
DEAD = "http://127.0.0.1:9/v1"
WAYS = ("answers", "hangs", "refuses", "drops")


@contextmanager
def dropping() -> Iterator[int]:
    """Hold a port whose queue is full: to a client it is as if a firewall swallowed all."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


def variables(folder: Path, base: str, **more: str) -> dict[str, str]:
    """Return the variables of a run on a machine of its own."""
    return {**Machine(folder).process_variables(), "ANALYTICS_API": base, **more}


def timed(words: list[str], environment: dict[str, str]) -> float:
    """Run a command; give its wall time in seconds."""
    started = time.perf_counter()
    subprocess.run(words, env=environment, capture_output=True, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Endpoint() as good, Endpoint(hang) as bad:
        with dropping() as port:
            dropped = f"http://127.0.0.1:{port}/v1"
            bases = dict(zip(WAYS, (good.base, bad.base, DEAD, dropped), strict=True))
            runs = {
                "off": variables(Path(name) / "off", DEAD, DO_NOT_TRACK="1"),
                "local": variables(Path(name) / "local", DEAD),
            }
            for way, base in bases.items():
                on = variables(Path(name) / way, base, USAGECTL_TELEMETRY="on")
                runs[f"on, endpoint {way}"] = on
            report(measure(runs, options.rounds))
            time.sleep(11)
        recovered(Path(name), good, options.rounds + 1)


def measure(runs: dict[str, dict[str, str]], rounds: int) -> dict[str, list[float]]:
    """Time every run once a round, in an order that is drawn anew.

    A child that sends begins a second later, beside whatever runs then: with a fixed order
    that would always be the same contender.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    order = random.Random(1)  # noqa: S311  (no secret)
    for number in range(rounds + 1):
        order.shuffle(names)
        for name in names:
            took = timed([sys.executable, "-c", OURS, "env", "bash"], runs[name])
            if number:  # The first round fills the caches.
                times[name].append(took)
    return times


def report(times: dict[str, list[float]]) -> None:
    """Print each contender over the one that is off."""
    for name, found in times.items():
        ratio = statistics.median(a / b for a, b in zip(found, times["off"], strict=True))
        print(f"{name:32}{ratio:8.3f}")


def recovered(folder: Path, good: Endpoint, expected: int) -> None:
    """Bring the endpoint back for every spool, and count the events of the rounds that arrive."""
    for way in WAYS:
        # Those of the endpoint that answers came by themselves, before now.
        before = 0 if way == "answers" else commands_at(good)
        environment = variables(folder / way, good.base, USAGECTL_TELEMETRY="on")
        words = [sys.executable, "-c", OURS, "replay", "--yes", "--json"]
        subprocess.run(words, env=environment, capture_output=True, check=True)
        arrived = commands_at(good) - before
        print(f"usagectl, endpoint {way:8} then back: {arrived} of {expected} events arrived")


def commands_at(good: Endpoint) -> int:
    """Count the events of the command that was timed."""
    events = [event for request in good.received for event in request.events]
    return sum(event["payload"].get("cmd") == "usagectl env" for event in events)


if __name__ == "__main__":
    main()
