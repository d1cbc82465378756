"""Print how long commands take to start, as ratios of runs made in pairs.

Each round runs every contender once, in turn, so that a slow moment of the
machine hits all of them alike; a ratio is the median over the rounds. Run it
with `python -m tests.benchmarks.startup [--rounds N]`, in an environment of each Typer:
from 0.29 on Typer imports pydantic wherever an option takes a value.

Where valgrind is there, callgrind also counts the instructions of `status --json` and of
the Typer application: they repeat to a per mille, whatever else the machine is doing.
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
            *("env", f"CONFIG_DIR={folder}", f"USAGECTL_CONFIG_DIR={folder}"),
            *(sys.executable, "-c", OURS, "status", "--json"),
        ],
        "usagectl status": [sys.executable, "-c", OURS, "status"],
        "usagectl preview": [sys.executable, "-c", OURS, "preview"],
    }
    (folder / "default.env").write_text("DISABLE_EVENTS=1\n")
    (folder / "settings.toml").write_text('[telemetry]\nmode = "local"\n')
    return found


def measure(commands: dict[str, list[str]], *, home: Path, rounds: int) -> dict[str, list[float]]:
    """Time every command once a round, in seconds of wall time."""
    variables = {
        "PATH": os.environ["PATH"],
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
            subprocess.run(commands[name], env=variables, capture_output=True, check=True)
            if round_number:  # The first round fills the caches.
                times[name].append(time.perf_counter() - started)
    return times


def ratio(times: dict[str, list[float]], name: str, base: str) -> float:
    """Give the median over the rounds of one command's time over another's."""
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))


def count_instructions(command: list[str], *, home: Path) -> int:
    """Count the instructions of one start-up, without `site` and with a fixed hash seed."""
    interpreter, *words = command
    path = os.pathsep.join([str(REPOSITORY), *site.getsitepackages()])
    variables = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": path}
    variables["PYTHONHASHSEED"] = "0"
    valgrind = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    command = [*valgrind, interpreter, "-S", *words]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    assert counted, done.stderr
    return int(counted[1])


def print_instructions(commands: dict[str, list[str]], *, home: Path) -> None:
    """Print what `status --json` costs beside the Typer application, counted twice."""
    for _ in range(2):
        ours, theirs = (
            count_instructions(commands[name], home=home)
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
        times = measure(commands, home=folder, rounds=options.rounds)
        if shutil.which("valgrind"):
            print_instructions(commands, home=folder)
    print(f"Typer {version('typer')}, {options.rounds} rounds, median of paired ratios")
    print(f"{'':46}{'/ pass':>10}{'/ Typer app':>13}")
    for name in commands:
        by_pass = ratio(times, name, "python -c pass")
        by_typer = ratio(times, name, "a one-command Typer app")
        print(f"{name:46}{by_pass:>10.2f}{by_typer:>13.2f}")


if __name__ == "__main__":
    main()
