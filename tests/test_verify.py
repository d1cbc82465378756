"""Tests of a verification: a good tool keeps its word, and each defect is found in its own row."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.support import sample_tool, sealing
from tests.support.machine import REPOSITORY
from tests.test_catalogue import SCHEMA
from tests.test_catalogue_truth import faults_of, verdict_of
from usagectl import catalogue, verify
from usagectl.catalogue.entry import Entry
from usagectl.cli import verify as page
from usagectl.errors import InvalidValueError
from usagectl.machine import environment
from usagectl.tools import places
from usagectl.verify import Report, Trials, evidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.machine import Machine

OFF = "MYTOOL_TELEMETRY 'off'"
DNT = "DO_NOT_TRACK '1'"
WAITING = "MYTOOL_TELEMETRY 'off, events waiting'"
COMMAND = "{here}/mytool telemetry off"
HELP = "silent {here}/mytool --help"
IN_FILE = 'settings "off"'
VALUES = "typed values"
HANG, ERROR, REFUSE = (f"dead endpoint {answer}" for answer in ("hang", "error", "refuse"))

# Read before the walls clear it: every row of every defect.
IS_WHOLE = bool(os.environ.get("USAGECTL_VERIFY"))


class Defect(NamedTuple):
    """Defects of the sample tool: the rows to run, those that show them, and what these say."""

    rows: Sequence[str]
    bad: set[str]
    evidence: tuple[str, ...] = ()


DEFECTS: Mapping[str, Defect] = {
    "ignores help value": Defect(
        (DNT, OFF, HELP, VALUES),
        {DNT, HELP, VALUES},
        (
            "POST events.mytool.example/x",
            "what was typed for {value}, in base64, in the body of POST /x",
        ),
    ),
    "folder header": Defect(
        (VALUES,),
        {VALUES},
        (
            "the working folder, as its sha256 hash, in the body of POST /x",
            "the user's name, as it is, in the header x-user",
        ),
    ),
    "farewell spool": Defect((OFF, WAITING, COMMAND), {WAITING, COMMAND}),
    "detached": Defect((OFF, DNT), {DNT}, ("connection events.mytool.example unknown",)),
    "knocks": Defect((OFF, DNT), {OFF, DNT}, ("connection events.mytool.example silent",)),
    "fails waits holds": Defect(
        (HANG, ERROR, REFUSE),
        {HANG, ERROR, REFUSE},
        (" s instead of 0.", "its exit status is 3 instead of 0"),
    ),
}
"""Defects that a tool has at once, the rows that show them, and neighbours that keep their word."""


@pytest.fixture(autouse=True, scope="module")
def _sealing() -> None:
    """Skip where this system seals nothing."""
    sealing.require()


def run(file: Path, names: Sequence[str] = ()) -> Report:
    """Run the rows of some names, and the one with telemetry on; without names all of them."""
    given = environment.from_process()
    subject = verify.find(str(file), given)
    rows = verify.plan(subject, given)
    wanted = [row for row in rows if not names or row.kind == "on" or row.name in names]
    assert set(names) <= {row.name for row in wanted}
    # A machine that is busy with other tests makes a run longer, never shorter.
    return Trials(subject, given, rounds=3).run(wanted)


def bad(report: Report) -> dict[str, tuple[str, ...]]:
    """Map the rows that do not show what has to be shown to why."""
    return {each.row.name: (each.why, *each.evidence) for each in report.results if each.is_bad}


def test_a_tool_without_a_defect_keeps_its_word(tmp_path: Path) -> None:
    """Each kind of row is run of a tool in good order, and what is expected comes."""
    names = [OFF, "MYTOOL_TELEMETRY ''", DNT, WAITING, "usagectl disable", IN_FILE, COMMAND]
    names += ['settings "perhaps"', HELP, VALUES, HANG]
    report = run(sample_tool.make(tmp_path), () if IS_WHOLE else names)
    assert bad(report) == {}
    assert {each.verdict for each in report.results} == {"keeps"}
    came = {each.row.name: (each.expected, each.requests) for each in report.results}
    assert came["telemetry on"] == came["MYTOOL_TELEMETRY ''"] == ("on", 1)
    assert came['settings "perhaps"'] == ("on", 1)
    for name in (OFF, DNT, WAITING, "usagectl disable", IN_FILE, COMMAND):
        assert came[name] == ("off", 0), name
    assert "every switch that was tried keeps its word" in page.summary(report)


@pytest.mark.parametrize("names", DEFECTS)
def test_each_defect_is_found_in_its_own_row(names: str, tmp_path: Path) -> None:
    """A defect shows in the rows that are made for it, and in no other."""
    defect = DEFECTS[names]
    report = run(sample_tool.make(tmp_path, names), () if IS_WHOLE else defect.rows)
    found = bad(report)
    told = "\n".join(line for lines in found.values() for line in lines)
    assert found.keys() >= defect.bad if IS_WHOLE else found.keys() == defect.bad, found
    assert {each.verdict for each in report.results if each.is_bad} == {"breaks"}
    assert [line for line in defect.evidence if line not in told] == [], told


def test_no_other_host_than_that_of_telemetry_is_dead(tmp_path: Path) -> None:
    """A tool that waits for news of its releases loses no time by a dead endpoint."""
    endpoint = '[[endpoint]]\nurl = "http://events.mytool.example/x"\n\n'
    file = sample_tool.make(tmp_path, "asks")
    file.write_text(file.read_text().replace("[verify]", f"{endpoint}[verify]"))
    report = run(file, (HANG, ERROR))
    assert bad(report) == {}
    assert report.others == ("releases.mytool.example",)


def test_evidence_has_the_files_of_a_command_that_reports(tmp_path: Path) -> None:
    """What it wrote stands in the run, and what it sent itself is not counted."""
    file = sample_tool.make(tmp_path, "farewell")
    text = file.read_text().replace('telemetry off"', 'telemetry off"\nsends = true')
    file.write_text(text)
    (_, command) = evidence.block_of(run(file, (COMMAND,)), environment.from_process().now())[
        "runs"
    ]
    assert (command["requests"], command["files"]) == (0, {"~/settings": "off"})


@pytest.mark.parametrize("is_there", [False, True])
def test_files_below_the_root_are_those_of_the_run(tmp_path: Path, *, is_there: bool) -> None:
    """What the host has there says nothing, and it is not written, nor made where there is none."""
    folder = tmp_path / "state" if is_there else Path(f"/var/mytool-{os.getpid()}")
    if is_there:
        folder.mkdir()
        (folder / "settings").write_text("off")
    file, program = sample_tool.make(tmp_path), tmp_path / "mytool"
    file.write_text(file.read_text().replace("~/settings", f"{folder}/settings"))
    program.write_text(program.read_text().replace("join(HOME, name)", f"join('{folder}', name)"))
    report = run(file, (OFF, IN_FILE, COMMAND))
    assert [(each.verdict, each.requests) for each in report.results] == [
        ("keeps", number) for number in (1, 0, 0, 0)
    ], bad(report)
    runs = evidence.block_of(report, environment.from_process().now())["runs"]
    assert [each.get("files") for each in runs[2:]] == [{f"{folder}/settings": "off"}] * 2
    left = [(each.name, each.read_text()) for each in folder.glob("*")]
    assert (folder.exists(), left) == (is_there, [("settings", "off")] * is_there)


def test_the_silence_of_a_mute_tool_proves_nothing(tmp_path: Path) -> None:
    """Where nothing is sent with telemetry on, no row keeps its word, and none breaks it."""
    names = (OFF, DNT, HELP, VALUES, HANG)
    report = run(sample_tool.make(tmp_path, "mute"), names)
    assert {each.verdict for each in report.results} == {"not-proved"}
    assert evidence.block_of(report, environment.from_process().now())["runs"] == []


def test_a_tool_that_hangs_or_fails_proves_nothing_by_its_silence(tmp_path: Path) -> None:
    """A run that was ended, or fails as it does not with telemetry on, is no proof of silence."""
    file = sample_tool.make(tmp_path)
    text = file.read_text().replace("seconds = 10", "seconds = 1")
    command = 'commands = ["{here}/mytool build --output {value}; '
    for code, why in (
        ('test -z $DO_NOT_TRACK || sleep 9"]', "the command did not end in time, and was ended"),
        ('test -z $DO_NOT_TRACK || { echo no >&2; exit 4; }"]', "the command failed with status 4"),
    ):
        text = "\n".join(
            command + code if line.startswith("commands") else line for line in text.split("\n")
        )
        file.write_text(text)
        report = run(file, (DNT,))
        assert report.results[1].verdict == "not-proved"
        assert report.results[1].why.startswith(why)


def test_rows_can_be_chosen(tmp_path: Path) -> None:
    """A quick run leaves odd values out; a switch can be named, a slip of it is told."""
    given = environment.from_process()
    subject = verify.find(str(sample_tool.make(tmp_path)), given)
    names = [row.name for row in verify.plan(subject, given, quick=True)]
    assert names == ["telemetry on", OFF, DNT, "usagectl disable", HELP, VALUES]
    chosen = verify.plan(subject, given, switches=["DO_NOT_TRACK"])
    assert {row.switch for row in chosen} == {"telemetry on", "DO_NOT_TRACK"}
    assert len(chosen) > 9
    with pytest.raises(InvalidValueError, match="use MYTOOL_TELEMETRY, DO_NOT_TRACK, CI"):
        verify.plan(subject, given, switches=["NO_SUCH"])


def test_evidence_is_ready_for_the_entry(tmp_path: Path) -> None:
    """The block obeys the schema, and each of its runs gives the verdict that was seen."""
    file = sample_tool.make(tmp_path)
    names = (OFF, "MYTOOL_TELEMETRY ''", DNT, "CI 'true'", IN_FILE, COMMAND, 'settings "perhaps"')
    report = run(file, names)
    text = evidence.to_toml(evidence.block_of(report, environment.from_process().now()))
    data = tomllib.loads(text)
    schema = {**SCHEMA["properties"]["evidence"], "$defs": SCHEMA["$defs"]}
    jsonschema.validate(data["evidence"], schema)
    known = {"summary": "", "default": "on", "how": "wire", "version": "1"}
    entry = Entry({**tomllib.loads(file.read_text()), **known, **data})
    (block,) = entry.evidence
    assert len(block.runs) == 1 + len(names)
    assert [run.requests for run in block.runs] == [1, 0, 1, 0, 1, 0, 1, 0]
    faults = [
        fault
        for number, run in enumerate(block.runs)
        for fault in faults_of(run, verdict_of(entry, block, run, tmp_path / str(number)))
    ]
    assert faults == []


@pytest.mark.skipif(not IS_WHOLE, reason="USAGECTL_VERIFY is not set")
def test_usagectl_keeps_its_word() -> None:
    """Our own command line is silenced by each of its switches, and sends no typed value."""
    given = environment.from_process()
    path = f"{Path(sys.executable).parent}{os.pathsep}{given.variables['PATH']}"
    given = given._replace(variables={**given.variables, "PATH": path})
    subject = verify.find(str(REPOSITORY / "tests" / "data" / "usagectl.verify.toml"), given)
    rows = verify.plan(subject, given)
    names = (
        "telemetry on",
        DNT,
        "USAGECTL_TELEMETRY 'no'",
        VALUES,
        'telemetry.mode in project "off"',
    )
    report = Trials(subject, given).run([row for row in rows if IS_WHOLE or row.name in names])
    assert bad(report) == {}
    assert {each.verdict for each in report.results} == {"keeps"}
    assert len(report.results) >= len(names)
    assert len({row.key for row in rows}) == len(rows)


def test_a_project_file_that_is_not_there_can_be_made(machine: Machine) -> None:
    """One that counts by its mere existence lies nowhere until it is written."""
    made = {}
    for name in catalogue.names():
        for file in catalogue.entry(name).files:
            places_of = file, machine.environment()
            if places.path_of(*places_of) is None and places.path_to_make(*places_of):
                made[name] = places.path_to_make(*places_of)
    assert made["wrangler"] == machine.cwd / "wrangler.json"
    assert all(str(path).startswith(str(machine.folder)) for path in made.values())
