"""Tests of the conformance kit: a good tool passes, each defect fails its own check."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support import sample_tool
from tests.support.machine import REPOSITORY
from usagectl import verify as conformance
from usagectl.machine import environment
from usagectl.machine.processes import CommandNotFoundError
from usagectl.verify import Check, Kit, Report, Result, Spec, Switch

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = REPOSITORY / "tests" / "data" / "conformance.toml"
KIT = ("--pyargs", "usagectl.verify")
BUILD = " ".join(sample_tool.BUILD)
ANSWERS = ("on", "error", "hang", "drip", "refuse", "drop")
OFF = ("DO_NOT_TRACK=1", "MYTOOL_TELEMETRY=off", "telemetry off")
# Read before the walls clear it: every check of every defect and of our own commands.
IS_WHOLE = bool(os.environ.get("USAGECTL_CONFORMANCE"))


class Defect(NamedTuple):
    """Defects of the sample tool: the checks to run, those that fail, and lines of evidence."""

    checked: str
    failed: set[str]
    evidence: tuple[str, ...] = ()


DEFECTS: Mapping[str, Defect] = {
    "ignores help value": Defect(
        "on off silent values",
        {f"off [DO_NOT_TRACK=1]: {BUILD}", "silent: --help", f"values: {BUILD}"},
        ("in a new home: POST /x build",),
    ),
    "detached farewell": Defect(
        "off", {f"off [{switch}]: {BUILD}" for switch in ("DO_NOT_TRACK=1", "telemetry off")}
    ),
    "spool": Defect(
        "off",
        {f"off [{switch}]: {BUILD}" for switch in OFF},
        ("after a command whose events had to wait: POST /x build",),
    ),
    "notice": Defect(
        "output-error output-refuse", {f"output [{a}]: {BUILD}" for a in ("error", "refuse")}
    ),
    "says warns fails": Defect(
        "output-on output-error output-hang output-refuse output-drop",
        {f"output [{a}]: {BUILD}" for a in ("error", "hang", "refuse", "drop")},
        (
            "stderr: line 1 is 'telemetry failed' instead of ''",
            "its exit status is 3 instead of 0",
        ),
    ),
    "json": Defect("output-error", {f"output [error]: {BUILD}"}, ("it is not JSON any more",)),
    "waits holds": Defect(
        "delay-on delay-hang output-hang delay-error output-error",
        {f"delay [{a}]: {BUILD}" for a in ("hang", "error")},
        ("its output was held open for",),
    ),
    "rests": Defect("delay-hang output-hang", {f"delay [hang]: {BUILD}"}),
}
"""Defects that a tool has at once, and the checks that show them, with neighbours that pass."""


def check_some(spec: Spec, checked: str = "") -> Report:
    """Run the checks of some rules, or of rules and answers: `off output-error`; else all."""
    wanted = checked.split()
    checks = [
        each
        for each in conformance.plan(spec)
        if not wanted or each.rule in wanted or f"{each.rule}-{each.label}" in wanted
    ]
    kit = Kit(spec, environment.from_process())
    kit.prepare(checks)
    return Report(tuple(map(kit.run, checks)))


def describe(report: Report) -> str:
    """Describe every check that did not pass."""
    return "\n".join(each.text for each in report.results if each.outcome != "passed")


def test_a_tool_without_a_defect_passes(tmp_path: Path) -> None:
    """Every check is run of a tool in good order, and every one passes."""
    report = conformance.check(sample_tool.make(tmp_path), environment.from_process())
    assert describe(report) == ""
    assert report.is_passed
    assert len(report.results) == 6 + 2 * len(ANSWERS)


@pytest.mark.parametrize("names", DEFECTS)
def test_each_defect_fails_its_own_check(names: str, tmp_path: Path) -> None:
    """A defect fails the check that is made for it, and no other; it is told by its evidence."""
    defect = DEFECTS[names]
    report = check_some(sample_tool.make(tmp_path, names), "" if IS_WHOLE else defect.checked)
    told = describe(report)
    failed = set(report.names("failed"))
    assert failed >= defect.failed if IS_WHOLE else failed == defect.failed, told
    assert {each.partition(" ")[0] for each in failed} == {
        each.partition(" ")[0] for each in defect.failed
    }
    assert report.names("not-proved") == (), told
    assert not report.is_passed
    assert [line for line in defect.evidence if line not in told] == []


def test_a_connection_that_says_nothing_is_no_silence(tmp_path: Path) -> None:
    """Off means not even a connection; without a switch that silences, nothing is compared."""
    report = conformance.check(sample_tool.make(tmp_path, "knocks"), environment.from_process())
    assert set(report.names("failed")) == {f"off [{switch}]: {BUILD}" for switch in OFF}
    compared = {f"{rule} [{a}]: {BUILD}" for rule in ("output", "delay") for a in ANSWERS}
    assert set(report.names("not-proved")) == compared
    (found, *_) = [each for each in report.results if each.outcome == "failed"]
    assert "in a new home: 1 more connections than requests" in found.evidence


def test_the_silence_of_a_mute_tool_proves_nothing(tmp_path: Path) -> None:
    """A tool that never sends passes no check at all, and fails none."""
    report = conformance.check(sample_tool.make(tmp_path, "mute"), environment.from_process())
    assert {each.outcome for each in report.results} == {"not-proved"}


def test_evidence_names_the_place_and_never_the_value(tmp_path: Path) -> None:
    """A leak is told by where the value came from, its form, and where it was found."""
    told = {
        "value": "what was typed for {value}, in base64, in the body of POST /x",
        "folder": "the working folder, as its sha256 hash, in the body of POST /x",
        "header": "the user's name, as it is, in the header x-user",
    }
    kit = Kit(sample_tool.make(tmp_path, " ".join(told)), environment.from_process())
    result = kit.run(Check("values", sample_tool.BUILD))
    assert set(result.evidence) == set(told.values())


def test_what_a_tool_makes_of_its_file_stays(tmp_path: Path) -> None:
    """A settings file of the description is written once: what the tool writes to it counts."""
    spec = sample_tool.make(tmp_path)
    settled = dataclasses.replace(spec, on=Switch(files={"~/settings": "on"}))
    kit = Kit(settled, environment.from_process())
    result = kit.run(Check("off", sample_tool.BUILD, switch=2, label="telemetry off"))
    assert result.outcome == "passed", result.text


def own_spec() -> Spec:
    """Describe usagectl as the repository does, run from its source."""
    command = (sys.executable, "-m", "usagectl")
    return dataclasses.replace(
        conformance.load(OWN), command=command, variables={"PYTHONPATH": str(REPOSITORY)}
    )


def test_usagectl_conforms() -> None:
    """Our own command line passes the checks, with consent given by a variable."""
    spec = own_spec()
    if not IS_WHOLE:  # Each of its runs costs a third of a second.
        off = (spec.off[0], spec.off[-1])
        spec = dataclasses.replace(spec, sends=spec.sends[1:], off=off, silent=spec.silent[:1])
    assert describe(check_some(spec, "" if IS_WHOLE else "on off silent values")) == ""


@pytest.mark.skipif(not IS_WHOLE, reason="USAGECTL_CONFORMANCE is not set")
def test_usagectl_conforms_with_consent_in_its_settings() -> None:
    """With consent in the settings file a variable, a command and a file silence it as well."""
    given = own_spec()
    spec = dataclasses.replace(
        given,
        on=Switch(run=("enable", "usagectl")),
        sends=(("explain", "cli_cmd"),),
        off=(given.off[0], *(switch for switch in given.off if not switch.variables)),
    )
    assert describe(check_some(spec, "on off silent")) == ""


def write_toml(folder: Path, defect: str) -> None:
    """Describe the sample tool in a file, as its author would."""
    sample_tool.make(folder, defect)
    (folder / "mytool.toml").write_text(
        f"""
[conformance]
command = ['{sys.executable}', "-S", "{{here}}/mytool.py"]
sends = [["build", "--output", "{{value}}"]]
silent = [["--help"]]
variables = {{ MYTOOL_ENDPOINT = "{{endpoint}}" }}
off = [{{ DO_NOT_TRACK = "1" }}, {{ run = ["telemetry", "off"] }}]
delay_seconds = 0.5
rounds = 2
"""
    )


def test_an_authors_pytest_shows_each_check(tmp_path: Path) -> None:
    """One test a check, chosen with -k as any; a failure says what was expected and found."""
    write_toml(tmp_path, "ignores")
    done = sample_tool.run_pytest(
        tmp_path, *KIT, "--usagectl-conformance", "mytool.toml", "-k", "off or help"
    )
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "is waited for 60 s" in done.stdout
    assert "failed: off [DO_NOT_TRACK=1]: build --output {value}" in done.stdout
    assert "expected: with DO_NOT_TRACK=1 nothing reaches the endpoint" in done.stdout
    assert "in a new home: POST /x build" in done.stdout


def test_a_wrong_use_is_explained(tmp_path: Path) -> None:
    """Without a file, or with an invalid one, the answer is what to do."""
    done = sample_tool.run_pytest(tmp_path, *KIT)
    assert "--usagectl-conformance FILE has to name" in done.stdout + done.stderr
    (tmp_path / "bad.toml").write_text("[conformance]\ncommand = 'mytool'\n")
    done = sample_tool.run_pytest(tmp_path, *KIT, "--usagectl-conformance", "bad.toml")
    assert "sends is missing" in done.stdout + done.stderr


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A tool that cannot be found is an error, no list of checks that were not proved."""
    spec = dataclasses.replace(sample_tool.make(tmp_path), command=("no-such-tool",))
    with pytest.raises(CommandNotFoundError):
        conformance.check(spec, environment.from_process())


def run_once(folder: Path, code: str, **members: Any) -> Result:  # noqa: ANN401
    """Run a tool of a few lines, that sends nothing, with telemetry on."""
    (folder / "tool.py").write_text(code)
    spec = Spec(
        command=(sys.executable, "-S", "{here}/tool.py"),
        sends=(("x",),),
        off=(Switch({"X": "1"}),),
        folder=folder,
        **members,
    )
    given = environment.from_process()
    variables = {**given.variables, "CI": "1", "MINE": "secret", "KEPT": "yes"}
    return Kit(spec, given._replace(variables=variables)).run(Check("on", ("x",)))


def test_a_run_sees_nothing_of_this_machine(tmp_path: Path) -> None:
    """A tool gets a home and names of its own and a dead proxy, and what was named to inherit."""
    code = (
        "import os, sys\n"
        "for name in ('CI', 'HTTPS_PROXY', 'KEPT', 'MINE', 'TMPDIR'):\n"
        "    print(name, os.environ.get(name), file=sys.stderr)\n"
        "print(os.path.dirname(os.environ['HOME']), file=sys.stderr)\n"
    )
    assert run_once(tmp_path, code, inherit=("KEPT",)).evidence == (
        "its exit status is 0",
        "CI None",
        "HTTPS_PROXY http://127.0.0.1:9",
        "KEPT yes",
        "MINE None",
        "TMPDIR {root}/tmp",
        "{root}/home",
    )


def test_nothing_runs_on_after_a_check(tmp_path: Path) -> None:
    """A child that would run for long, free of every mark, is ended with the run it came from."""
    code = (
        "import subprocess, sys\n"
        "code = 'import time; time.sleep(60)'\n"
        "nothing = dict.fromkeys(('stdin', 'stdout', 'stderr'), subprocess.DEVNULL)\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', code], env={}, cwd='/',\n"
        "    start_new_session=True, **nothing)\n"
        "print(child.pid, file=sys.stderr)\n"
    )
    number = int(run_once(tmp_path, code, grace_seconds=0.2).evidence[-1])
    end = time.monotonic() + 5
    while Path(f"/proc/{number}").exists():
        assert time.monotonic() < end
        time.sleep(0.1)
