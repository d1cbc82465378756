"""The sample projects as their users have them: from wheels, by pip and by pipx, in new places.

Each brings the newest Typer or Click. Run on demand: USAGECTL_E2E_TOOLS=1.
"""

import json
import os
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import wheels
from tests.support.endpoint import Endpoint
from tests.support.machine import Machine, run_usagectl
from tests.support.samples import SAMPLES
from tests.support.spooling import entries

from .real_tools import on_demand

pytestmark = on_demand("unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork")

WORDS = {"brickwork": ("lay", "--courses", "4"), "plumbline": ("measure", "--height", "3")}
"""The samples, and a command line of each."""


WAYS = [(name, way) for name in WORDS for way in ("pip", "pipx")]


class Installed(NamedTuple):
    """A sample as it is installed: its program, and how it is taken away again."""

    name: str
    program: Path
    uninstall: tuple[str, ...]
    folder: Path  # What holds all of it.
    variables: dict[str, str]  # Of whoever installs.


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the wheel of the core and of each sample."""
    sources = {"core": wheels.CORE, **{name: SAMPLES / name for name in WORDS}}
    return {n: wheels.build(each, tmp_path_factory.mktemp(n)) for n, each in sources.items()}


@pytest.fixture(
    scope="module", params=[(n, how) for n in WORDS for how in ("pip", "pipx")], ids=str
)
def installed(
    request: pytest.FixtureRequest, built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """Install a sample from its wheel into a fresh environment."""
    name, how = request.param
    folder = tmp_path_factory.mktemp(f"{how}-{name}")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    variables = {
        **os.environ,
        "PIPX_HOME": str(folder / "pipx"),
        "PIPX_BIN_DIR": str(folder / "bin"),
    }
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    core, sample = str(built["core"]), str(built[name])
    if how == "pip":
        subprocess.run([*pip, core, sample], check=True)
        away = (str(python), "-m", "pip", "uninstall", "--yes", "--quiet", name, "usagectl-core")
        yield Installed(name, python.with_name(name), away, folder, variables)
        return
    subprocess.run([*pip, "pipx"], check=True)
    pipx = (str(python), "-m", "pipx")
    subprocess.run([*pipx, "install", "--preinstall", core, sample], env=variables, check=True)
    yield Installed(name, folder / "bin" / name, (*pipx, "uninstall", name), folder, variables)


def run(
    machine: Machine, tool: Installed, *words: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a sample as its user does."""
    given = {**machine.process_variables(), "PYTHONPATH": "", "NO_PROXY": "127.0.0.1", **variables}
    return subprocess.run(
        [tool.program, *words],
        env=given,
        cwd=machine.cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def verdict(machine: Machine, tool: Installed) -> str:
    """Return what the sample says of itself."""
    done = run(machine, tool, "telemetry", "status", "--json")
    return str(json.loads(done.stdout)["data"]["tools"][0]["telemetry"])


def assert_silent_when_off(machine: Machine, tool: Installed) -> None:
    """Run it sealed: with telemetry on there is a request, off not so much as a look-up."""
    folder = tool.program.parent
    environment = {**machine.process_variables(), "PATH": f"{folder}:/usr/bin:/bin"}
    environment["USAGECTL_STATE_DIR"] = str(machine.folder / "sealing")
    for mode, expected, status in (("on", "none", 1), ("off", "silence", 0)):
        words = ("--sealed", "--expect", expected, "--", tool.name, *WORDS[tool.name])
        variables = {**environment, f"{tool.name.upper()}_TELEMETRY": mode}
        done = run_usagectl("capture", *words, variables=variables, cwd=machine.cwd)
        assert done.status == status, done.stderr
        assert (b"events.example.org" in done.stderr) == (mode == "on")


def test_it_is_used_and_taken_away(machine: Machine, installed: Installed) -> None:
    """First run, show, off, silence, on, delivery, reset; then nothing of it is left.

    What its user decided and recorded stays where usagectl keeps it.
    """
    assert_silent_when_off(machine, installed)
    name = installed.name
    with Endpoint() as endpoint:
        machine.variables[f"{name.upper()}_URL"] = endpoint.base
        first = run(machine, installed, *WORDS[name])
        assert (first.returncode, first.stderr) == (0, "")
        assert verdict(machine, installed) == {"brickwork": "local", "plumbline": "off"}[name]
        run(machine, installed, "telemetry", "off")
        run(machine, installed, *WORDS[name])
        assert verdict(machine, installed) == "off"
        assert entries(machine) == []
        on = run(machine, installed, "telemetry", "on")
        assert (on.returncode, endpoint.base in on.stdout) == (0, True), on
        assert run(machine, installed, *WORDS[name]).returncode == 0
        assert endpoint.wait_for(1)
        endpoint.settle()
        (body,) = endpoint.bodies
        (event,) = json.loads(body)["events"]
        assert event["payload"]["cmd"] == f"{name} {WORDS[name][0]}"
        assert event["payload"]["params"] == [WORDS[name][1].strip("-")]
        assert WORDS[name][2] not in json.dumps(event["payload"])
    assert run(machine, installed, "telemetry", "reset-id").returncode == 0
    subprocess.run(installed.uninstall, env=installed.variables, check=True)
    left = [each for each in installed.folder.rglob("*") if name in each.stem]
    assert [each for each in left if each.suffix != ".lock"] == []  # pipx keeps that of its own.
    kept = {each.name for each in (machine.home, machine.cwd) for each in each.rglob("*")}
    assert not any(name in each for each in kept), kept


PROCESSES = """
import sys
if sys.argv[1] == "gevent":
    from gevent import monkey
    monkey.patch_all()  # Before anything else, as gevent asks for.
import asyncio, multiprocessing, os, sys, threading
from usagectl import Kind, Tracker

KIND = Kind("mytool_done", "Something was done.")
tracker = Tracker("mytool", kinds=[KIND])
spawned = None

def work():
    tracker.record(KIND)

def work_anew():
    with Tracker("mytool", kinds=[KIND]) as own:
        own.record(KIND)

async def task():
    tracker.record(KIND)

async def tasks():
    await asyncio.gather(*(task() for _ in range(10)))

if __name__ == "__main__":
    how = sys.argv[1]
    if how == "threads":
        threads = [threading.Thread(target=work) for _ in range(10)]
        [each.start() for each in threads]
        [each.join() for each in threads]
    elif how == "asyncio":
        asyncio.run(tasks())
    elif how == "gevent":
        import gevent
        gevent.joinall([gevent.spawn(work) for _ in range(10)])
    else:
        context = multiprocessing.get_context(how)
        target = work if how == "fork" else work_anew
        many = [context.Process(target=target) for _ in range(10)]
        [each.start() for each in many]
        [each.join() for each in many]
    tracker.close()
"""


@pytest.fixture(scope="module")
def core_python(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the core alone, and gevent; answer its Python."""
    folder = tmp_path_factory.mktemp("core-alone")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    words = [str(python), "-m", "pip", "install", "--quiet", str(built["core"]), "gevent"]
    subprocess.run(words, check=True)
    return python


@pytest.mark.parametrize("how", ["fork", "spawn", "threads", "asyncio", "gevent"])
def test_processes_and_threads_of_every_kind(machine: Machine, core_python: Path, how: str) -> None:
    """Each of ten records one event, in an environment that has the core alone."""
    file = machine.cwd / "processes.py"
    file.write_text(PROCESSES)
    variables = {**machine.process_variables(), "PYTHONPATH": ""}
    words = [str(core_python), str(file), how]
    done = subprocess.run(
        words, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    names = [json.loads(each.body)["name"] for each in entries(machine)]
    assert names.count("mytool_done") == 10
