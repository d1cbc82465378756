"""Print what a library for recording costs its application: MiB on disk, and time to import.

Run it with `python -m tests.benchmarks.library [--rounds N]`; it needs a network. Each contender
is installed by pip into an environment of its own, compiled as pip does it: `usagectl-core`, then
`usagectl` with the program, both as wheels of this repository, and beside them two clients that
authors of command lines take today. Each round imports every one once, in turn, in a fresh
process; a ratio is the median over the rounds of its time and that of an interpreter which
imports nothing, and the milliseconds are those of the medians' difference.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support import wheels

RECORDING = "from usagectl import Tracker, instrument"
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Contender:
    """A library in an environment of its own."""

    name: str
    python: Path
    code: str  # What an application imports in order to record.

    @property
    def site_dir(self) -> Path:
        """Return the folder that libraries are installed into."""
        (found,) = self.python.parents[1].glob("[Ll]ib/**/site-packages")
        return found


def install(name: str, folder: Path, code: str, *packages: str) -> Contender:
    """Make an environment, and install packages into it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = next(folder.glob("[bS]*/python*"))
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet")
    if packages:
        subprocess.run([*pip, *packages], check=True)
    return Contender(name, python, code)


def contenders(folder: Path) -> list[Contender]:
    """Install all that are compared; the first imports nothing."""
    core, program = (
        str(wheels.build(source, folder / name))
        for name, source in (("core-wheel", wheels.CORE), ("program-wheel", wheels.PROGRAM))
    )
    return [
        install("nothing", folder / "nothing", "pass"),
        install("usagectl-core", folder / "core", RECORDING, core),
        install("usagectl", folder / "program", RECORDING, core, program),
        install("posthog", folder / "posthog", "from posthog import Posthog", "posthog"),
        install(
            "iterative-telemetry",
            folder / "iterative",
            "from iterative_telemetry import IterativeTelemetryLogger",
            "iterative-telemetry",
        ),
    ]


def installed_bytes(contender: Contender) -> int:
    """Sum up the sizes of all files that were installed."""
    return sum(each.stat().st_size for each in contender.site_dir.rglob("*") if each.is_file())


def distributions(contender: Contender) -> int:
    """Count the distributions that were installed."""
    return len(list(contender.site_dir.glob("*.dist-info")))


def measure(found: list[Contender], *, rounds: int) -> dict[str, list[float]]:
    """Time every import once a round, in seconds of wall time."""
    times: dict[str, list[float]] = {each.name: [] for each in found}
    for number in range(rounds + 1):
        for offset in range(len(found)):
            each = found[(number + offset) % len(found)]
            started = time.perf_counter()
            subprocess.run([each.python, "-I", "-c", each.code], check=True)
            if number:  # The first round fills the caches.
                times[each.name].append(time.perf_counter() - started)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = contenders(Path(name))
        times = measure(found, rounds=options.rounds)
        sizes = {each.name: (installed_bytes(each), distributions(each)) for each in found}
    print(f"{options.rounds} rounds, median of paired ratios")
    print(f"{'':22}{'MiB':>8}{'distributions':>15}{'import / nothing':>18}{'ms':>8}")
    base = times[found[0].name]
    for each in found:
        own = times[each.name]
        ratio = statistics.median(a / b for a, b in zip(own, base, strict=True))
        more = 1000 * (statistics.median(own) - statistics.median(base))
        size, count = sizes[each.name]
        print(f"{each.name:22}{size / MIB:>8.1f}{count:>15}{ratio:>18.2f}{more:>8.0f}")


if __name__ == "__main__":
    main()
