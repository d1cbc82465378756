"""Print how long commands take to start, as ratios of runs made in pairs.

Each round runs every contender once, in turn, so that a slow moment of the
machine hits all of them alike; a ratio is the median over the rounds. Run it
with `python -m tests.benchmarks.startup [--rounds N]`, in an environment of each Typer:
from 0.29 on Typer imports pydantic wherever an option takes a value.

Where valgrind is there, callgrind also counts the instructions of `status --json` and of
the Typer application: they repeat to a per mille, whatever else the machine is doing. `status`
looks at a developer's machine: 3,000 programs on PATH, a project with its `node_modules`, an
active environment, and ten tools of the catalogue among them. It may cost 1.35 times the Typer
application.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import site
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.installed import distribution, npm_package, program
from usagectl import catalogue

if TYPE_CHECKING:
    from usagectl.catalogue.entry import Detect

MOST_TOOLS = 10
REPOSITORY = Path(__file__).resolve().parents[2]

ONE_COMMAND = """\
import typer
app = typer.Typer(add_completion=False, rich_markup_mode=None)

@app.command()
def status(json: bool = False) -> None:
    typer.echo("{}")

app()
"""

OURS = "import sys; from usagectl.__main__ import main; main()"
DEAD_ENDPOINT = "http://127.0.0.1:9/v1"


def contenders(folder: Path) -> dict[str, list[str]]:
    """Name every command line that is timed."""
    typer_app = folder / "one_command.py"
    typer_app.write_text(ONE_COMMAND)
    found = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "a one-command Typer app": [sys.executable, str(typer_app), "--json"],
        "usagectl --version": [sys.executable, "-c", OURS, "--version"],
        "usagectl --help": [sys.executable, "-c", OURS, "--help"],
        "usagectl status --json": [sys.executable, "-c", OURS, "status", "--json"],
        "usagectl status --json, profile and settings": [
            *("/usr/bin/env", f"CONFIG_DIR={folder}", f"USAGECTL_CONFIG_DIR={folder}"),
            *(sys.executable, "-c", OURS, "status", "--json"),
        ],
        "usagectl status": [sys.executable, "-c", OURS, "status"],
        "usagectl preview": [sys.executable, "-c", OURS, "preview"],
    }
    (folder / "default.env").write_text("DISABLE_EVENTS=1\n")
    (folder / "settings.toml").write_text('[telemetry]\nmode = "local"\n')
    return found


def furnish(folder: Path) -> dict[str, str]:
    """Lay out a developer's machine; return the variables that lead to it."""
    bins = [folder / f"bin-{number}" for number in range(10)]
    for place, file in enumerate(f"program-{number}" for number in range(3000)):
        program(bins[place % len(bins)] / file)
    for number in range(300):
        npm_package(folder / "node_modules", f"package-{number}", "1.0.0", f"command-{number}")
        distribution(folder / "venv", f"library_{number}", "1.0.0")
    tools = [name for name in catalogue.names() if name not in catalogue.modules()]
    for name in tools[:: max(1, len(tools) // MOST_TOOLS)][:MOST_TOOLS]:
        install(catalogue.entry(name).detect, folder, bins[0])
    path = os.pathsep.join([str(folder / "venv" / "bin"), *map(str, bins)])
    return {"PATH": path, "VIRTUAL_ENV": str(folder / "venv")}


def install(detect: Detect, folder: Path, bin_dir: Path) -> None:
    """Install a tool as its package manager would, in a release that is newer than any."""
    command = detect.executables[0] if detect.executables else ""
    if detect.npm:
        npm_package(folder / "node_modules", detect.npm[0], "999.0.0", command)
    elif detect.python:
        distribution(folder / "venv", detect.python[0].replace("-", "_"), "999.0.0", command)
    else:
        program(bin_dir / command)


def measure(
    commands: dict[str, list[str]], *, home: Path, rounds: int, machine: dict[str, str]
) -> dict[str, list[float]]:
    """Time every command once a round, in seconds of wall time."""
    variables = {
        **machine,
        "HOME": str(home),
        "PYTHONPATH": str(REPOSITORY),
        "ANALYTICS_API": DEAD_ENDPOINT,
        "API_ENDPOINT": DEAD_ENDPOINT,
        "OVERRIDE_IN_DOCKER": "0",
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    names = list(commands)
    for round_number in range(rounds + 1):
        for offset in range(len(names)):
            name = names[(round_number + offset) % len(names)]
            started = time.perf_counter()
            words = commands[name]
            subprocess.run(words, env=variables, cwd=home, capture_output=True, check=True)
            if round_number:  # The first round fills the caches.
                times[name].append(time.perf_counter() - started)
    return times


def ratio(times: dict[str, list[float]], name: str, base: str) -> float:
    """Give the median over the rounds of one command's time over another's."""
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))


def count_instructions(command: list[str], *, home: Path, machine: dict[str, str]) -> int:
    """Count the instructions of one start-up, without `site` and with a fixed hash seed."""
    interpreter, *words = command
    path = os.pathsep.join([str(REPOSITORY), *site.getsitepackages()])
    variables = {**machine, "HOME": str(home), "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    valgrind = (
        shutil.which("valgrind") or "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
    )
    command = [*valgrind, interpreter, "-S", *words]
    done = subprocess.run(
        command, env=variables, cwd=home, capture_output=True, text=True, check=True
    )
    counted = re.search(r"Collected : (\d+)", done.stderr)
    assert counted, done.stderr
    return int(counted[1])


def print_instructions(
    commands: dict[str, list[str]], *, home: Path, machine: dict[str, str]
) -> None:
    """Print what `status --json` costs beside the Typer application, counted twice."""
    for _ in range(2):
        ours, theirs = (
            count_instructions(commands[name], home=home, machine=machine)
            for name in ("usagectl status --json", "a one-command Typer app")
        )
        print(f"instructions: {ours:,} / {theirs:,} = {ours / theirs:.3f} times the Typer app")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = contenders(folder)
        machine = furnish(folder)
        times = measure(commands, home=folder, rounds=options.rounds, machine=machine)
        if shutil.which("valgrind"):
            print_instructions(commands, home=folder, machine=machine)
    print(f"Typer {version('typer')}, {options.rounds} rounds, median of paired ratios")
    print(f"{'':46}{'/ pass':>10}{'/ Typer app':>13}")
    for name in commands:
        by_pass = ratio(times, name, "python -c pass")
        by_typer = ratio(times, name, "a one-command Typer app")
        print(f"{name:46}{by_pass:>10.2f}{by_typer:>13.2f}")


if __name__ == "__main__":
    main()
