"""Tests of the fixture that authors of other tools use, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

from tests.support import sample_tool, sealing
from tests.support.machine import REPOSITORY
from tests.support.sample_tool import run_pytest
from tests.support.spooling import entries, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

# A tool that asks nobody, posts where a variable says, and has a detached child that posts late.
TOOL = """
import json, os, subprocess, sys, time, urllib.request

def post(name, body=None):
    url = os.environ.get("MYTOOL_URL") or os.environ["ANALYTICS_API"] + "/events"
    data = body or json.dumps({"events": [{"name": name}]}).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(url, data), timeout=30).read()

if sys.argv[1] == "late":
    subprocess.Popen([sys.executable, __file__, "later"], start_new_session=True)
elif sys.argv[1] == "later":
    time.sleep(1.0)
    post("late")
elif sys.argv[1] == "broken":
    post("", b"noise")
elif not os.environ.get("DO_NOT_TRACK"):
    for name in sys.argv[1:]:
        post(name)
"""


# Records and sends through usagectl.
OURS = """
import typer
from usagectl import instrument

app = instrument(typer.Typer(), "mytool", version="1.2.0", endpoint="https://127.0.0.1:9/v1")
app.command()(lambda: None)
app()
"""


def run(folder: Path, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run tests with the plugin, in a process of their own."""
    (folder / "tool.py").write_text(TOOL)
    (folder / "test_it.py").write_text(
        f"import pathlib, sys\nTOOL = [sys.executable, {str(folder / 'tool.py')!r}]\n{text}"
    )
    return run_pytest(folder, "test_it.py", **variables)


def test_what_a_tool_sends_can_be_asserted(tmp_path: Path) -> None:
    """Names, exact bytes, opting out, late senders, bodies without events, and the audit."""
    done = run(
        tmp_path,
        """
def test_events(usagectl_capture):
    assert usagectl_capture.run([*TOOL, "a", "b"]).returncode == 0
    assert usagectl_capture.names == ["a", "b"]
    assert usagectl_capture.events[0].body == b'{"name": "a"}'
    assert usagectl_capture.events[0].document == {"name": "a"}
    assert usagectl_capture.events[0].path == "/v1/events"
    usagectl_capture.assert_only("a", "b")
    usagectl_capture.clear()
    usagectl_capture.assert_silent()
    assert {each.rule for each in usagectl_capture.audit().findings} >= {"UC101"}

def test_a_tool_does_not_see_the_test(usagectl_capture):
    code = "import os; print([name for name in os.environ if name.startswith('PYTEST_')])"
    assert usagectl_capture.run([sys.executable, "-c", code]).stdout == "[]\\n"

def test_silence(usagectl_capture):
    usagectl_capture.run([*TOOL, "a"], variables={"DO_NOT_TRACK": "1"})
    usagectl_capture.assert_silent()

def test_url(usagectl_capture):
    usagectl_capture.run([*TOOL, "a"], variables={"MYTOOL_URL": usagectl_capture.url + "/x"})
    assert usagectl_capture.events[0].path == "/x"

def test_late(usagectl_capture):
    usagectl_capture.run([*TOOL, "late"])
    usagectl_capture.assert_only("late")

def test_broken(usagectl_capture):
    usagectl_capture.run([*TOOL, "broken"])
    (found,) = usagectl_capture.events
    assert (found.name, found.body) == ("unparsed", b"")
    assert found.problem
""",
    )
    assert "5 passed" in done.stdout, done.stdout


def test_what_is_not_so_fails_the_test(tmp_path: Path) -> None:
    """Each assertion can fail, and says what arrived."""
    done = run(
        tmp_path,
        """
def test_loud(usagectl_capture):
    usagectl_capture.run([*TOOL, "a"])
    usagectl_capture.assert_silent()

def test_other(usagectl_capture):
    usagectl_capture.run([*TOOL, "a"])
    usagectl_capture.assert_only("a", "b")

def test_nothing(usagectl_capture):
    usagectl_capture.assert_only("a")
""",
    )
    assert "3 failed" in done.stdout
    assert "nothing was to be sent, and this arrived:" in done.stdout
    assert "POST /v1/events a (unknown)" in done.stdout
    assert "wanted a, b; this arrived:" in done.stdout


def test_who_runs_the_tests_changes_nothing(machine: Machine) -> None:
    """Opt-outs of a developer, in files and variables, do not silence a program under test.

    What a test sets counts, and what waits in the developer's spool stays there.
    """
    put(machine, tool="mytool", consent="environment")
    machine.config_dir.mkdir()
    (machine.config_dir / "settings.toml").write_text('[telemetry]\nmode = "off"\n')
    (machine.folder / "ours.py").write_text(OURS)
    done = run(
        machine.folder,
        """
ON = {"MYTOOL_TELEMETRY": "on"}
OURS = [TOOL[0], str(pathlib.Path(__file__).with_name("ours.py"))]

def test_ours(usagectl_capture):
    assert usagectl_capture.run(OURS, variables=ON).returncode == 0
    usagectl_capture.assert_only("cli_cmd")
    assert len(usagectl_capture.events) == 1

def test_any(usagectl_capture):
    usagectl_capture.run([*TOOL, "a"])
    usagectl_capture.assert_only("a")

def test_set_before(usagectl_capture, monkeypatch):
    monkeypatch.setenv("DO_NOT_TRACK", "yes")
    usagectl_capture.run([*TOOL, "a"])
    usagectl_capture.run(OURS, variables=ON)
    usagectl_capture.assert_silent()

def test_set_to_the_same(usagectl_capture, monkeypatch):
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    usagectl_capture.run([*TOOL, "a"])
    usagectl_capture.assert_silent()

def test_home(usagectl_capture):
    code = "import os, pathlib; print(pathlib.Path.home(), os.environ.get('OTHER_TELEMETRY'))"
    told = usagectl_capture.run([TOOL[0], "-c", code]).stdout
    assert "usagectl-home" in told and "None" in told
""",
        **machine.process_variables(),
        DO_NOT_TRACK="1",
        MYTOOL_TELEMETRY="on",
        OTHER_TELEMETRY="off",
    )
    assert "5 passed" in done.stdout, done.stdout
    (kept,) = entries(machine)
    assert kept.state == "pending"


def test_pytest_finds_it_by_itself() -> None:
    """The distribution that has the plugin names it where pytest looks for it."""
    project = tomllib.loads((REPOSITORY / "core" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"usagectl_pytest": "usagectl_pytest"}


# Imports usagectl, as a program's own runner of its tests does, and starts pytest.
EARLY = "import sys, usagectl, usagectl_pytest, pytest; sys.exit(pytest.main(sys.argv[1:]))"


def test_usagectl_may_be_imported_before_pytest_starts(tmp_path: Path) -> None:
    """Neither installed by a wheel, which lists its files, nor as source: no warning, no error.

    Naming the plugin, which pytest finds by itself as well, changes nothing.
    """
    for files in ("usagectl/__init__.py,,\nusagectl_pytest/__init__.py,,\n", "usagectl.pth,,\n"):
        info = tmp_path / "site" / "usagectl-0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: usagectl\nVersion: 0\n")
        (info / "entry_points.txt").write_text("[pytest11]\nusagectl_pytest = usagectl_pytest\n")
        (info / "RECORD").write_text(files)
        (info / "direct_url.json").write_text(
            '{"url": "file:///x", "dir_info": {"editable": true}}'
        )
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                EARLY,
                *("-q", "-W", "error", "-p", "usagectl_pytest", "--fixtures"),
            ],
            env={**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}:{REPOSITORY}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), files
        assert "usagectl_capture" in done.stdout


def test_a_sealed_run_needs_no_variable(tmp_path: Path) -> None:
    """Every name leads to the recorder; a look-up that sends nothing is no silence."""
    sealing.require()
    code = "import socket; socket.gethostbyname('events.mytool.example')"
    done = run(
        tmp_path,
        f"""
import pytest

def test_events(usagectl_capture):
    url = {{"MYTOOL_URL": "http://events.mytool.example/x"}}
    done = usagectl_capture.run([*TOOL, "a", "b"], variables=url, sealed=True)
    assert done.returncode == 0, done.stderr
    assert usagectl_capture.names == ["a", "b"]
    assert {{each.host for each in usagectl_capture.events}} == {{"events.mytool.example"}}
    usagectl_capture.clear()
    usagectl_capture.run([sys.executable, "-c", "print(1)"], sealed=True)
    usagectl_capture.assert_silent()

def test_look_up(usagectl_capture):
    usagectl_capture.run([sys.executable, "-c", {code!r}], sealed=True)
    with pytest.raises(pytest.fail.Exception, match="look-up events.mytool.example A"):
        usagectl_capture.assert_silent()
""",
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_an_authors_file_is_collected(tmp_path: Path) -> None:
    """One test a row, chosen with -k as any; a failure says what was expected and what came."""
    sealing.require()
    file = sample_tool.make(tmp_path, "ignores")
    done = run_pytest(tmp_path, file.name, "-k", "DO_NOT_TRACK and 1 and not TRUE or help")
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "DO_NOT_TRACK '1': breaks its word\n  expected: off\n  came: 1 request" in done.stdout
    assert "POST events.mytool.example/x" in done.stdout
    (tmp_path / "bad.usagectl.toml").write_text('name = "x"\n')
    done = run_pytest(tmp_path, "bad.usagectl.toml")
    assert "title is missing" in done.stdout + done.stderr
