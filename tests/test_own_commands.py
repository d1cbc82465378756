"""Tests of the commands that a program of somebody else gets, by which its users control it.

They never have heard of usagectl, and it need not be on their PATH.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import click
import pytest
import typer
from typer.testing import CliRunner

from tests.support.samples import ENTRIES, SAMPLES, ask_sample, run_sample
from tests.support.spooling import entries
from tests.support.terminals import needs_terminal
from usagectl import Tracker, instrument
from usagectl.emitting import asking, permission
from usagectl.errors import InvalidValueError
from usagectl.own_commands import COMMANDS
from usagectl.terms import Terms
from usagectl.tools import instrumented

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

NAMES = {"brickwork": "lay", "plumbline": "measure"}
"""The samples, and a command of each."""

ENDPOINT = "https://events.example.org/v1"


def data(machine: Machine, name: str, verb: str, **variables: str) -> Any:  # noqa: ANN401
    """Return what a command of a sample answers."""
    done = run_sample(machine, name, "telemetry", verb, "--json", variables=variables)
    document = json.loads(done.stdout)
    assert list(document) == ["schema", "command", "data", "errors"]
    assert document["command"] == f"telemetry {verb}"
    return document["data"]


def answered(machine: Machine, *words: str) -> Any:  # noqa: ANN401
    """Return what a command of usagectl answers."""
    return machine.run(*words, "--json").data


def telemetry(machine: Machine, name: str) -> str:
    """Return the verdict on a sample, in its own words."""
    (part,) = data(machine, name, "status")["tools"]
    return str(part["telemetry"])


def recorded(machine: Machine) -> list[str]:
    """Name the commands that were recorded."""
    return [json.loads(each.body)["payload"]["cmd"] for each in entries(machine)]


@pytest.mark.parametrize("name", NAMES)
def test_they_answer_as_usagectl_does(machine: Machine, name: str) -> None:
    """Status, show, off, on and reset-id say and do what usagectl's commands say and do."""
    machine.variables[f"{name.upper()}_TELEMETRY"] = "local"
    assert run_sample(machine, name, NAMES[name]).status == 0
    (own,) = data(machine, name, "status")["tools"]
    (ours,) = answered(machine, "status", name)["tools"]
    assert own == ours
    assert own["telemetry"] == "local"
    shown = run_sample(machine, name, "telemetry", "show").stdout
    (event,) = (each.body.decode() for each in entries(machine) if each.tool == name)
    assert event in shown
    assert data(machine, name, "show") == answered(machine, "preview", name, "--waiting")
    done = data(machine, name, "off")
    assert (done["purged"], done["tools"][0]["telemetry"]) == (1, "off")
    assert answered(machine, "status", name)["tools"][0]["telemetry"] == "off"


@pytest.mark.parametrize("name", NAMES)
def test_what_controls_it_is_never_recorded(machine: Machine, name: str) -> None:
    """Not the commands, not their help; a command of the program's own is."""
    run_sample(machine, name, "telemetry", "on")
    for verb in ("status", "off", "--help"):
        run_sample(machine, name, "telemetry", verb)
    assert recorded(machine) == []
    run_sample(machine, name, "telemetry", "on")
    run_sample(machine, name, NAMES[name])
    assert recorded(machine) == [f"{name} {NAMES[name]}"]


@pytest.mark.parametrize("name", NAMES)
def test_the_help_names_them(machine: Machine, name: str) -> None:
    """In their order, each with a line."""
    shown = run_sample(machine, name, "telemetry", "--help").stdout
    places = [shown.index(f" {verb} ") for verb in COMMANDS]
    assert places == sorted(places)
    assert "Show the exact bytes that would be sent." in shown


def test_a_machine_id_is_replaced(machine: Machine) -> None:
    """By another random one, in the file that usagectl reads; without one nothing is made."""
    run_sample(machine, "brickwork", "lay")
    assert "keeps no machine ID" in run_sample(machine, "brickwork", "telemetry", "reset-id").stdout
    file = machine.state_dir / "machine-ids" / "brickwork.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"machine_id":"gen_0123456789ab"}')
    assert run_sample(machine, "brickwork", "telemetry", "reset-id").status == 0
    assert "gen_0123456789ab" not in file.read_text()
    assert json.loads(file.read_text())["machine_id"].startswith("gen_")


def test_an_option_silences_one_run(machine: Machine) -> None:
    """Nothing of that run is recorded, and the next one is again."""
    assert run_sample(machine, "brickwork", "--no-telemetry", "lay").status == 0
    assert entries(machine) == []
    run_sample(machine, "brickwork", "lay")
    assert recorded(machine) == ["brickwork lay"]


def test_the_option_ends_with_its_run(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A process that runs another command afterwards has the variable that it had."""
    app = typer.Typer()
    app.command()(lambda: typer.echo(os.environ.get("SOME_TELEMETRY")))
    instrument(app, "some", option="--no-telemetry", is_testing=True)
    for before in (None, "local"):
        with subtests.test(str(before)):
            monkeypatch.delenv("SOME_TELEMETRY", raising=False)
            if before:
                monkeypatch.setenv("SOME_TELEMETRY", before)
            assert CliRunner().invoke(app, ["--no-telemetry"]).stdout == "off\n"
            assert CliRunner().invoke(app, []).stdout == f"{before or ''}\n"


@needs_terminal
def test_the_remark_names_them(machine: Machine) -> None:
    """And what the author promises: nothing of usagectl is on the PATH of a tool's user."""
    _, shown = ask_sample(machine, "brickwork", "lay", typed=b"")
    assert "To see it: brickwork telemetry show. To turn it off: brickwork telemetry off." in shown
    assert "nobody's name. https://example.org/brickwork/privacy To see" in shown
    assert "usagectl" not in shown


ANSWERS = {
    b"y\n": "on",
    b"YES\n": "on",
    b"\n": "off",
    b"n\n": "off",
    b"\x04": "off",
}


@needs_terminal
def test_a_question_is_asked_once(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """After the command, whose status stays; only a Yes is one, and it is asked no more."""
    from tests.support.machine import Machine

    for number, (typed, verdict) in enumerate(ANSWERS.items()):
        with subtests.test(repr(typed)):
            machine = Machine(tmp_path / str(number))
            status, shown = ask_sample(machine, "plumbline", "measure", typed=typed)
            assert status == 0
            assert shown.startswith("the north wall of 2 m is plumb May plumbline record")
            assert "send that to https://events.example.org? We count" in shown
            assert entries(machine) == []  # What ran before the answer was never asked for.
            assert telemetry(machine, "plumbline") == verdict
            again = ask_sample(machine, "plumbline", "measure", typed=typed, PLUMBLINE_TELEMETRY="")
            assert "[y/N]" not in again[1]


@needs_terminal
def test_nobody_is_asked_after_a_failure(machine: Machine) -> None:
    """That is no moment for a question: the next command that ends well is."""
    status, shown = ask_sample(machine, "plumbline", "drop", typed=b"y\n")
    assert (status, "[y/N]" in shown) == (4, False)
    assert "[y/N]" in ask_sample(machine, "plumbline", "measure", typed=b"n\n")[1]


def test_a_question_that_is_interrupted_is_a_no(machine: Machine) -> None:
    """Ctrl-C ends the question, and not the program, which has done its work."""

    def interrupt(_question: str) -> str:
        raise KeyboardInterrupt

    emitter = permission.Emitter("mytool", endpoint=ENDPOINT, terms=Terms("ask"))
    asking.ask_once(machine.environment(), emitter, interrupt)
    assert permission.verdict_of(machine.environment(), emitter).decided_by.source == "setting"
    asking.ask_once(machine.environment(), emitter, lambda _question: pytest.fail("asked again"))


def test_nobody_is_asked_in_a_pipe_or_in_ci(machine: Machine) -> None:
    """Nothing is recorded then, and the question stays open."""
    assert run_sample(machine, "plumbline", "measure").stderr == ""
    _, shown = ask_sample(machine, "plumbline", "measure", typed=b"y\n", CI="true")
    assert "[y/N]" not in shown
    assert entries(machine) == []
    shown = run_sample(machine, "plumbline", "telemetry", "status").stdout
    assert shown.startswith("plumbline: asks. Nothing is recorded until you say yes.")
    run_sample(machine, "plumbline", "telemetry", "on")
    assert telemetry(machine, "plumbline") == "on"


@pytest.mark.parametrize(
    "variable", ["DO_NOT_TRACK=1", "USAGECTL_TELEMETRY=off", "DISABLE_EVENTS=1"]
)
def test_every_no_holds(machine: Machine, variable: str) -> None:
    """An opt-out of usagectl's is one of the program's, and its answer names what helps."""
    name, value = variable.split("=")
    done = run_sample(machine, "brickwork", "telemetry", "on", variables={name: value})
    assert done.status == 1
    assert f"{name}='{value}' in the environment decides" in done.stderr
    run_sample(machine, "brickwork", "lay", variables={name: value})
    assert entries(machine) == []
    (part,) = data(machine, "brickwork", "status", **{name: value})["tools"]
    assert (part["telemetry"], part["decided_by"]["name"]) == ("off", name)


def test_a_distributor_ends_it_for_good(machine: Machine, tmp_path: Path) -> None:
    """A file beside the program's code: no setting of a user beats it, and all answers say so."""
    shutil.copytree(SAMPLES / "brickwork" / "brickwork", tmp_path / "brickwork")
    run_sample(machine, "brickwork", "telemetry", "on", folder=tmp_path)
    file = tmp_path / "brickwork" / "telemetry-off"
    file.touch()
    run_sample(
        machine, "brickwork", "lay", folder=tmp_path, variables={"BRICKWORK_TELEMETRY": "on"}
    )
    assert entries(machine) == []
    shown = run_sample(machine, "brickwork", "telemetry", "status", folder=tmp_path).stdout
    assert f"decided by: telemetry-off ({file})" in shown
    done = run_sample(machine, "brickwork", "telemetry", "on", folder=tmp_path)
    assert (done.status, str(file) in done.stderr) == (1, True)
    (part,) = answered(machine, "status", "brickwork")["tools"]
    assert part["decided_by"] == {
        "source": "package", "name": "telemetry-off", "value": None, "origin": str(file)
    }  # fmt: skip


def test_next_steps_are_commands_of_the_program(machine: Machine) -> None:
    """What usagectl would have people type, they type with the program's own words."""
    machine.config_dir.joinpath("settings.toml").mkdir(parents=True)
    done = run_sample(machine, "brickwork", "telemetry", "on")
    assert done.status == 3
    assert "try: brickwork telemetry status" in done.stderr
    off = run_sample(
        machine, "brickwork", "telemetry", "off", variables={"USAGECTL_CONFIG_DIR": "/proc/nope"}
    )
    assert (off.status, "try: export BRICKWORK_TELEMETRY=off" in off.stderr) == (3, True)
    assert 'eval "$(usagectl' not in off.stderr


def test_what_usagectl_knows_of_it(machine: Machine) -> None:
    """`usagectl explain` and `status` show what the author settles."""
    run_sample(machine, "plumbline", "telemetry", "off")
    page = " ".join(machine.run("explain", "plumbline").stdout.split())
    assert "nothing is recorded until its user says yes" in page
    assert "https://example.org/plumbline/privacy" in page
    assert "plumbline telemetry status, show, on, off" in page
    run_sample(machine, "brickwork", "lay")
    assert "https://example.org/brickwork/privacy" in machine.run("status", "brickwork").stdout


def test_what_cannot_be_is_refused_at_once() -> None:
    """A command without sub-commands, a name that is taken, a text that breaks a page."""
    app = typer.Typer()
    app.command("telemetry")(lambda: None)
    unnamed = typer.Typer()

    @unnamed.command()
    def telemetry() -> None: ...

    group = click.Group("x", commands={"telemetry": click.Command("telemetry")})
    wrong: list[tuple[Any, dict[str, Any]]] = [
        (click.Command("x"), {"commands": "telemetry"}),
        (app, {"commands": "telemetry"}),
        (unnamed, {"commands": "telemetry"}),
        (group, {"commands": "telemetry"}),
        (typer.Typer(), {"default": "ask"}),
        (typer.Typer(), {"option": "no-telemetry"}),
        (click.Command("x", params=[click.Option(["--off"])]), {"option": "--off"}),
        (typer.Typer(), {"default": "on"}),
        (typer.Typer(), {"privacy": "one\ntwo"}),
        (typer.Typer(), {"privacy": "x" * 401}),
        (typer.Typer(), {"privacy_url": "example.org"}),
    ]
    for application, options in wrong:
        with pytest.raises(InvalidValueError):
            instrument(application, "mytool", **options)


def test_what_is_off_at_first_stays_so_until_it_is_switched_on(machine: Machine) -> None:
    """Then it records and sends; `local` by a variable records alone."""
    environment = machine.environment()
    emitter = permission.Emitter("latetool", endpoint=ENDPOINT, terms=Terms("off"))
    assert permission.permit(environment, emitter) is None
    assert instrumented.read(environment, "latetool") is None
    local = environment._replace(variables={"LATETOOL_TELEMETRY": "local"})
    permit = permission.permit(local, emitter)
    assert permit is not None
    assert permit.consent == ""
    permission.decide(environment, emitter, "on")
    permit = permission.permit(environment, emitter)
    assert permit is not None
    assert permit.consent != ""
    found = instrumented.read(environment, "latetool")
    assert found is not None
    assert found.terms == Terms("off", off_file=found.terms.off_file)


def test_a_tracker_is_no_looser_than_its_program(machine: Machine) -> None:
    """It follows what `instrument` was told in its process, and what it is told itself."""
    instrument(typer.Typer(), "quiet", default="off")
    quiet = [Tracker("quiet", environment=machine.environment())]
    quiet.append(Tracker("quieter", environment=machine.environment(), default="off"))
    loud = Tracker("loud", environment=machine.environment())
    for tracker in (*quiet, loud):
        tracker.run_init(stage="READY", scripts=1, duration=1.0)
        tracker.close()
    assert {each.tool for each in entries(machine)} == {"loud"}


def test_every_sample_is_tried() -> None:
    """Both libraries are."""
    assert NAMES.keys() == ENTRIES.keys()
