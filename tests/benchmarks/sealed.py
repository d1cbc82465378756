"""Print what a sealed run adds to a command, in seconds, beside the start of mitmdump.

Run it with `python -m tests.benchmarks.sealed [--rounds N] [--mitmdump PATH]`. Each round runs
every contender once, in turn; printed are medians over the rounds. The command sleeps for a
second, so that what a capture does before and after it is seen, and not its wait for silence.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.machine import Machine

OURS = "import sys; from usagectl.__main__ import main; main()"
COMMAND = ["sh", "-c", "sleep 1"]


def timed(words: list[str], folder: Path) -> float:
    """Run a command; return its wall time in seconds."""
    environment = Machine(folder).process_variables()
    started = time.perf_counter()
    subprocess.run(words, env=environment, capture_output=True, check=True)
    return time.perf_counter() - started


def until_it_listens(program: str) -> float:
    """Start mitmdump; return the seconds until it takes a connection."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [program, "--quiet", "--listen-host", "127.0.0.1", "--listen-port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                time.sleep(0.005)
            else:
                return time.perf_counter() - started
        sys.exit(f"{program} has ended")
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--mitmdump", default=shutil.which("mitmdump"))
    options = parser.parse_args()
    capture = [sys.executable, "-c", OURS, "capture", "--grace", "0"]
    runs = {
        "the command alone": COMMAND,
        "capture": [*capture, "--", *COMMAND],
        "capture --sealed": [*capture, "--sealed", "--", *COMMAND],
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    starts: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(options.rounds + 1):
            for each, words in runs.items():
                took = timed(words, Path(name) / each)
                times[each] += [took] if number else []  # The first round fills the caches.
            if options.mitmdump:
                starts.append(until_it_listens(options.mitmdump))
    alone = times.pop("the command alone")
    for each, found in times.items():
        added = statistics.median(a - b for a, b in zip(found, alone, strict=True))
        print(f"{each:24}{added:+8.3f} s over the command alone")
    if starts:
        print(f"{'mitmdump alone':24}{statistics.median(starts[1:]):+8.3f} s until it listens")


if __name__ == "__main__":
    main()
