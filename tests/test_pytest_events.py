"""Tests of the fixture `usagectl_events`, in a pytest of its own: unit tests of an author."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.sample_apps import recorded
from tests.support.sample_tool import run_pytest
from tests.support.spooling import read, spool_file

if TYPE_CHECKING:
    from tests.support.machine import Machine

# A Typer and a Click application that say the same, and trackers of modules.
APPS = """
import click, typer
from usagectl import Field, Kind, Tracker, instrument

ENDPOINT = "https://127.0.0.1:9/v1"
typer_app, early_app = typer.Typer(), typer.Typer()
instrument(early_app, "mytool", version="1.2.0", endpoint=ENDPOINT)

@early_app.callback()
@typer_app.callback()
def main(): ...

@early_app.command()
@typer_app.command()
def build(output: str = "", fail: bool = False):
    if fail:
        raise RuntimeError("as wished")

instrument(typer_app, "mytool", version="1.2.0", endpoint=ENDPOINT)

@click.group()
def click_app(): ...

@click_app.command("build")
@click.option("--output", default="")
@click.option("--fail", is_flag=True)
def click_build(output, fail):
    if fail:
        raise RuntimeError("as wished")

instrument(click_app, "mytool", version="1.2.0", endpoint=ENDPOINT)

BUILT = Kind("mytool_built", "A build ended.", fields=[Field("seconds", "number", "How long.")])
FOUND = Kind(
    "mytool_found", "A look-up.", fields=[Field("is_hit", "boolean", "Found.")], is_counter=True
)
tracker = Tracker("mytool", version="1.2.0", endpoint=ENDPOINT, kinds=[BUILT, FOUND])
"""

HEAD = """
import json, os, threading
import click.testing, pytest, typer.testing
import apps

SET = {name: os.environ.get(name) for name in ("DO_NOT_TRACK", "MYTOOL_TELEMETRY")}
BOTH = pytest.mark.parametrize(
    ("run", "app"),
    [
        (typer.testing.CliRunner().invoke, apps.typer_app),
        (typer.testing.CliRunner().invoke, apps.early_app),
        (click.testing.CliRunner().invoke, apps.click_app),
    ],
)
"""


def run(machine: Machine, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run an author's tests on a machine, with the plugin."""
    (machine.cwd / "apps.py").write_text(APPS)
    (machine.cwd / "test_it.py").write_text(f"{HEAD}\n{text}")
    given = {**machine.process_variables(), **variables}
    return run_pytest(machine.cwd, "-p", "no:randomly", "test_it.py", **given)


def test_both_runners_are_alike(machine: Machine) -> None:
    """Name, tool, payload, metadata and bytes of each run; nothing for help and bad usage."""
    done = run(
        machine,
        """
@BOTH
def test_runs(run, app, usagectl_events):
    assert run(app, ["build", "--output", "canary"]).exit_code == 0
    assert run(app, ["build", "--fail"]).exception.args == ("as wished",)
    assert run(app, ["--help"]).exit_code == 0
    assert run(app, ["build", "--nope"]).exit_code == 2
    first, second = usagectl_events.events
    assert (first.name, first.tool) == ("cli_cmd", "mytool")
    assert first.payload == {"cmd": "mytool build", "params": ["output"]}
    assert second.payload == {"cmd": "mytool build", "params": ["fail"]}
    assert list(first.metadata) == ["client_time"]
    assert not first.would_be_sent
    assert usagectl_events.names == ["cli_cmd"] * 2
    assert usagectl_events.bodies == [first.body, second.body]
    assert json.loads(first.body)["payload"] == first.payload
    usagectl_events.clear()
    assert usagectl_events.names == []
    run(app, ["build"])
    assert usagectl_events.names == ["cli_cmd"]

@BOTH
def test_opt_outs_of_a_test(run, app, usagectl_events, monkeypatch):
    run(app, ["build"], env={"DO_NOT_TRACK": "1"})
    monkeypatch.setenv("MYTOOL_TELEMETRY", "off")
    run(app, ["build"])
    assert usagectl_events.names == []
    monkeypatch.setenv("MYTOOL_TELEMETRY", "on")
    run(app, ["build"])
    assert [each.would_be_sent for each in usagectl_events.events] == [True]

@BOTH
def test_without_it(run, app):
    assert run(app, ["build"]).exit_code == 0
""",
    )
    assert "9 passed" in done.stdout, done.stdout + done.stderr
    assert list(machine.state_dir.parent.glob("state*")) == []


def test_trackers_record_at_once(machine: Machine) -> None:
    """Those of modules too, test after test; no thread is started, whoever records."""
    done = run(
        machine,
        """
def record():
    apps.tracker.record(apps.BUILT, seconds=1.0)
    apps.tracker.count(apps.FOUND, is_hit=True)
    apps.tracker.count(apps.FOUND, is_hit=True)

def test_before(): # Off, as ever in a test.
    record()

@pytest.mark.parametrize("number", range(2))
def test_each(number, usagectl_events):
    record()
    assert usagectl_events.names == ["session", "mytool_built", "mytool_found"]
    session, built, found = usagectl_events.events
    assert built.payload == {"seconds": 1.0}
    assert found.payload == {"counts": [{"is_hit": True, "count": 2}]}
    assert session.payload["version"] == "1.2.0"
    usagectl_events.clear()
    thread = threading.Thread(target=record)
    thread.start()
    thread.join()
    assert usagectl_events.names == ["mytool_built", "mytool_found"]
    assert [each.name for each in threading.enumerate()] == ["MainThread"]

def test_one_of_its_own(usagectl_events):
    with apps.Tracker("mytool", kinds=[apps.BUILT], strict=True) as tracker:
        tracker.record(apps.BUILT, seconds=2.0)
    assert usagectl_events.names == ["session", "mytool_built"]

def test_a_crowd(usagectl_events):
    for number in range(6000):
        apps.tracker.record(apps.BUILT, seconds=number)
    assert len(usagectl_events.events) == 6001

def test_after():
    record()
    assert apps.tracker.dropped == 0
""",
        MYTOOL_TELEMETRY="on",
    )
    assert "6 passed" in done.stdout, done.stdout + done.stderr
    assert list(machine.state_dir.parent.glob("state*")) == []


def test_a_tracker_that_records_already_goes_on(machine: Machine) -> None:
    """What it recorded before and records after stays its user's, in one session."""
    done = run(
        machine,
        """
KEPT = apps.Tracker("mytool", kinds=[apps.BUILT], is_testing=True)

def test_before():
    KEPT.record(apps.BUILT, seconds=1.0)
    KEPT.record(apps.BUILT, seconds=2.0)

def test_it(usagectl_events):
    KEPT.record(apps.BUILT, seconds=3.0)
    assert usagectl_events.names == ["session", "mytool_built"]

def test_after():
    KEPT.record(apps.BUILT, seconds=4.0)
""",
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    seconds = [each["payload"].get("seconds") for each in recorded(machine, "mytool")]
    assert seconds == [None, 1.0, 2.0, 4.0]


def test_nothing_is_sent_or_started(machine: Machine) -> None:
    """With sending on, no process is started and no socket opened, by flush and close neither."""
    done = run(
        machine,
        """
import sys
SEEN = []
AWAY = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.__new__")
sys.addaudithook(lambda event, _: SEEN.append(event) if event in AWAY else None)

def test_it(usagectl_events, monkeypatch):
    monkeypatch.setenv("MYTOOL_TELEMETRY", "on")
    typer.testing.CliRunner().invoke(apps.typer_app, ["build"])
    with apps.Tracker("mytool", endpoint=apps.ENDPOINT, kinds=[apps.BUILT]) as tracker:
        tracker.record(apps.BUILT, seconds=1.0)
        tracker.flush()
    assert [each.would_be_sent for each in usagectl_events.events] == [True] * 3
    assert SEEN == []
""",
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_who_runs_the_tests_changes_nothing(machine: Machine) -> None:
    """No opt-out and no consent of theirs, in variables, settings, project or CI, counts."""
    machine.config_dir.mkdir()
    (machine.config_dir / "settings.toml").write_text('[telemetry]\nmode = "off"\n')
    (machine.cwd / ".usagectl.toml").write_text('[telemetry]\nmode = "off"\n')
    text = """
@BOTH
def test_runs(run, app, usagectl_events):
    run(app, ["build"])
    assert [each.would_be_sent for each in usagectl_events.events] == [False]
    assert SET == {name: os.environ.get(name) for name in SET} # Other libraries obey them.

def test_a_project_of_the_test(usagectl_events, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".usagectl.toml").write_text('[telemetry]\\nmode = "off"\\n')
    apps.tracker.record(apps.BUILT, seconds=1.0)
    assert usagectl_events.names == []

def test_the_same_opt_out_is_the_test_s_own(usagectl_events, monkeypatch):
    for name, value in SET.items():
        if value:
            monkeypatch.setenv(name, value)
    apps.tracker.record(apps.BUILT, seconds=1.0)
    sent = [each.would_be_sent for each in usagectl_events.events]
    assert sent == ([] if SET["DO_NOT_TRACK"] else [True, True])

def test_after():
    assert SET == {name: os.environ.get(name) for name in SET}
"""
    for variables in ({"DO_NOT_TRACK": "1", "CI": "1"}, {"MYTOOL_TELEMETRY": "on"}):
        done = run(machine, text, **variables)
        assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_what_is_shown_is_what_is_spooled(machine: Machine) -> None:
    """The same program outside of a test puts the same bytes into its user's spool.

    The instant and what is drawn at random differ, and nothing else.
    """
    act = """
apps.typer_app(["build", "--output", "x"], standalone_mode=False)
apps.tracker.record(apps.BUILT, seconds=1.5)
apps.tracker.count(apps.FOUND, is_hit=False)
"""
    inside = act.strip().replace("\n", "\n    ")
    done = run(
        machine,
        f"""
def test_it(usagectl_events):
    {inside}
    bodies = usagectl_events.bodies
    open("bodies.txt", "wb").write(b"\\n".join(bodies))
""",
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert not spool_file(machine).exists()
    (machine.cwd / "outside.py").write_text(f"import apps\n{act}")
    subprocess.run(
        [sys.executable, "outside.py"],
        env=machine.process_variables(),
        cwd=machine.cwd,
        check=True,
    )
    told = (machine.cwd / "bodies.txt").read_bytes().split(b"\n")
    assert [_constant(each) for each in told] == [_constant(each) for each in read(machine)]


def _constant(event: bytes) -> bytes:
    """Take out what differs with each run, and what tells of the machine's root."""
    text = re.sub(rb'("(?:session_id|machine_id|client_time)":)"[^"]*"', rb"\1", event)
    return re.sub(rb'"is_docker":\w+', b"", text)
