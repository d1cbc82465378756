"""Tests of `usagectl emit`: the notice's events from a shell, closed, under a tool's switches."""

from __future__ import annotations

import json
import sys
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from tests.support.commands import run_inside
from tests.support.endpoint import Endpoint
from tests.support.machine import Machine, Outcome
from tests.support.sample_apps import recorded
from tests.support.spooling import entries
from tests.support.terminals import needs_terminal, on_terminal
from usagectl import notice, settings
from usagectl.cli import emit
from usagectl.emitting import permission
from usagectl.events.kinds import Field, Kind
from usagectl.tools import instrumented

CALL = ("aws_request", "--service", "sqs", "--operation", "DeleteQueue", "--status-code")
BUILT = Kind(
    "mytool_built",
    description="A build ended.",
    fields=(Field("seconds", "number", "How long it took."),),
)


def run(machine: Machine, *words: str, **variables: str) -> Outcome:
    """Run the command in this process."""
    place = Machine(machine.folder, {**machine.variables, **variables})
    return run_inside(place.environment(), *words)


def shown_to_a_person(machine: Machine, *words: str, **variables: str) -> str:
    """Run the command on a terminal and return what it shows, as one line."""
    env = {**machine.process_variables(), **variables}
    command = [sys.executable, "-m", "usagectl", *words]
    _, shown = on_terminal(command, env=env, cwd=machine.cwd, is_whole=True)
    return " ".join(shown.split())


def emitted(machine: Machine, *words: str, **variables: str) -> dict[str, Any]:
    """Emit an event and return the answer's data."""
    done = run(machine, "emit", *words, "--json", **variables)
    assert done.status == 0, done.stdout
    return done.data


def test_every_field_of_the_notice_is_an_option_or_found_out() -> None:
    """The options come from the notice's data: a field that is added there can be typed here."""
    measured = {"session_id", "machine_id", "api_key", "system", "is_ci", "is_docker"}
    for event in notice.load().events:
        form = emit.form_of(event.name, notice.event_schema(event.name))
        typed = {field.name for field in form.fields}
        names = {
            field.name.rpartition(".")[2]
            for field in (*event.fields, *event.added_fields)
            if field.pointer.startswith("/payload/") and not field.pointer.endswith("/*")
        }
        found_out = measured if event.name == "session" else set()
        assert names - {form.list_name} - found_out == typed


EMITTED = [
    (*CALL, "200"),
    (*CALL, "400", "--err-type", "QueueDoesNotExist", "--err-msg", "No such queue."),
    ("aws_request_agg", *CALL[1:], "200", "--count", "7"),
    ("cli_cmd", "--cmd", "mytool build", "--param", "output", "--param", "target"),
    ("cli_cmd", "--cmd", "mytool", "--version", "1.2", "--outcome", "ok", "--duration-ms", "9"),
    ("run_init", "--stage", "READY", "--scripts", "2", "--duration", "12.5"),
    ("session", "--version", "1.2.0", "--tool", "mytool"),
]


def test_what_is_emitted_is_an_event_of_the_notice(machine: Machine) -> None:
    """Its bytes are valid against the notice's schema, and are those in the spool."""
    answers = [emitted(machine, *words) for words in EMITTED]
    for words, found in zip(EMITTED, answers, strict=True):
        Draft202012Validator(notice.event_schema(words[0])).validate(json.loads(found["body"]))
    stored = [entry for entry in entries(machine) if "usagectl emit" not in str(entry.body)]
    assert [each.body.decode() for each in stored] == [found["body"] for found in answers]
    assert [(each.tool, each.event) for each in stored] == [
        (found["tool"], words[0]) for words, found in zip(EMITTED, answers, strict=True)
    ]
    assert all(found["recorded"] for found in answers)


def test_the_notices_examples_can_be_typed(machine: Machine) -> None:
    """The example events of the notice come out member for member."""
    call, command = (notice.find_event(name).example for name in ("aws_request", "cli_cmd"))
    assert call is not None
    assert command is not None
    payload: Any = call["payload"]
    words = [
        word
        for name, value in payload.items()
        if name != "is_internal"
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    assert json.loads(emitted(machine, "aws_request", *words)["body"])["payload"] == payload
    payload = command["payload"]
    words = ["--cmd", payload["cmd"], *(f"--param={name}" for name in payload["params"])]
    assert json.loads(emitted(machine, "cli_cmd", *words)["body"])["payload"] == payload


def test_a_dry_run_shows_the_bytes_and_leaves_nothing(machine: Machine) -> None:
    """No event, no tool, no machine ID comes of it."""
    done = run(machine, "emit", "session", "--version", "1", "--tool", "mytool", "--dry-run")
    first, event = done.stdout.splitlines()
    assert first == "This session of mytool would be recorded:"
    assert json.loads(event)["payload"]["version"] == "1"
    assert recorded(machine, "mytool") == []
    assert not (machine.state_dir / "tools").exists()
    assert not (machine.state_dir / "machine-ids").exists()


def test_off_records_nothing_and_fails_nothing(machine: Machine) -> None:
    """A script goes on whatever its user chose; a person is told what decided."""
    words = ("emit", "session", "--version", "1", "--tool", "mytool")
    for variable in ("DO_NOT_TRACK", "DISABLE_EVENTS"):
        done = run(machine, *words, **{variable: "1"})
        assert done == Outcome(0, "", "")
        assert f"off, by {variable}=1" in shown_to_a_person(machine, *words, **{variable: "1"})
        assert not machine.state_dir.exists()


def test_each_tool_has_its_own_switch(machine: Machine) -> None:
    """The switches of the tool that is named decide, not usagectl's."""
    settings.save(machine.environment(), {"mode": "off"}, tool="mytool")
    words = ("run_init", "--stage", "READY", "--scripts", "1", "--duration", "1")
    assert not emitted(machine, *words, "--tool", "mytool")["recorded"]
    assert emitted(machine, *words)["recorded"]


REFUSED = [
    (*CALL, "600"),
    (*CALL, "200", "--err-msg", "canary"),
    (*CALL, "400", "--stack-trace", "canary"),
    ("aws_request", "--service", "My canary", "--operation", "X", "--status-code", "200"),
    ("aws_request", "--service", "s3", "--operation", "my-canary", "--status-code", "200"),
    ("cli_cmd", "--cmd", "mytool --canary=1"),
    ("cli_cmd", "--cmd", "mytool", "--param", "canary=1"),
    ("cli_cmd", "--cmd", "mytool", "--param", "a canary"),
    ("cli_cmd", "--cmd", "mytool", "--outcome", "canary"),
    ("run_init", "--stage", "canary", "--scripts", "1", "--duration", "1"),
    ("run_init", "--stage", "READY", "--scripts", "-1", "--duration", "1"),
    ("run_init", "--stage", "READY", "--scripts", "1", "--duration", "nan"),
    (*CALL, "200", "--session-id", "canary"),
]


def test_what_does_not_fit_is_refused_without_its_value(machine: Machine) -> None:
    """A shape is closed; the error names event and field, never the value; nothing is recorded."""
    for words in REFUSED:
        done = run(machine, "emit", *words)
        assert done.status == 2, words
        assert "canary" not in done.stdout + done.stderr.replace("--canary", "")
    assert entries(machine) == []


def test_a_script_leaves_the_event_that_it_is_for_and_no_other(machine: Machine) -> None:
    """No event of usagectl's own stands beside it, whatever becomes of it."""
    words = ("emit", "cli_cmd", "--cmd", "mytool build", "--tool", "mytool")
    for more in ((), ("--dry-run",), ("--json",), ("--strict",), ("--nope",)):
        run(machine, *words, *more)
    assert [entry.tool for entry in entries(machine)] == ["mytool"] * 3
    run(machine, "emit")
    assert [each["payload"]["cmd"] for each in recorded(machine, "usagectl")] == ["usagectl emit"]


def test_a_version_or_token_that_was_mistyped_is_refused(machine: Machine) -> None:
    """Who types it learns it, by the option's name and without the value, also on a dry run."""
    key = ("--version", "1", "--api-key-variable")
    typed = [("--version", "/home/canary"), ("--version", "canary canary")]
    for words in (*typed, *((*key, name) for name in ("UNSET_CANARY", "EMPTY", "ODD"))):
        for more in ((), ("--dry-run",)):
            done = run(machine, "emit", "session", *words, *more, EMPTY="", ODD="a canary")
            assert (done.status, done.stdout) == (2, ""), words
            assert f"session: {words[-2]} must" in done.stderr
            assert "canary" not in done.stderr.lower()


def test_an_error_says_what_is_allowed(machine: Machine) -> None:
    """In plain words, or by the help of the very command."""
    for words, said in (
        ("cli_cmd --cmd my/tool", "cmd must be a program's name and the names of its"),
        ("cli_cmd --cmd x --param a_b!", "each of it the name of a parameter"),
        ("run_init --stage X --scripts 1 --duration 1", "must be BOOT, START, READY or SHUTDOWN."),
        ("run_init --stage READY --scripts -1 --duration 1", "must be a whole number of 0 or more"),
        (f"{' '.join(CALL)} 600", "status_code must be a whole number from 100 to 599."),
        ("cli_cmd --cmd", "try: usagectl emit cli_cmd --help"),
    ):
        done = run(machine, "emit", *words.split())
        assert (done.status, said in done.stderr) == (2, True), words


def test_the_list_is_aligned_and_says_what_may_be_left_out(machine: Machine) -> None:
    """The options of each event begin in one column."""
    lines = run(machine, "emit").stdout.splitlines()
    columns = {line.index(line[2:].split(maxsplit=1)[1]) for line in lines[3:8]}
    assert len(columns) == 1
    assert "in brackets" in lines[1]


def test_the_token_comes_from_a_variable_and_is_not_shown(machine: Machine) -> None:
    """It is on no command line and in no output; the event in the spool has it."""
    words = ("session", "--version", "1", "--tool", "mytool", "--api-key-variable", "MY_TOKEN")
    found = emitted(machine, *words, MY_TOKEN="ls-canary1234")  # noqa: S106
    assert "canary" not in json.dumps(found)
    assert found["masked"] == ["/payload/api_key"]
    assert recorded(machine, "mytool")[0]["payload"]["api_key"] == "ls-canary1234"
    shown = run(machine, "preview", "mytool", "--json", ANALYTICS_API="http://127.0.0.1:9/v1")
    assert "canary" not in shown.stdout
    assert shown.data["requests"][0]["masked"] == ["/payload/api_key"]


def test_events_of_one_session(machine: Machine) -> None:
    """The ID that a session answers with can be given to the events that follow."""
    first = emitted(machine, "session", "--version", "1")["session_id"]
    second = emitted(machine, *CALL, "200", "--session-id", first)
    assert second["session_id"] == first
    assert json.loads(second["body"])["metadata"]["session_id"] == first


def test_a_declared_kind_is_a_command(machine: Machine) -> None:
    """What a registered program declares can be emitted, explained and audited by its name."""
    environment = machine.environment()
    assert permission.permit(environment, permission.Emitter("mytool", "1.0", kinds=(BUILT,)))
    assert instrumented.read_all(environment)[0].kinds == (BUILT,)
    found = emitted(machine, "mytool_built", "--seconds", "2.5")
    assert (found["tool"], found["recorded"]) == ("mytool", True)
    assert json.loads(found["body"])["payload"] == {"seconds": 2.5}
    assert instrumented.read_all(environment)[0].version == "1.0"
    assert "mytool_built" in run(machine, "emit").stdout
    assert "A build ended." in run(machine, "explain", "mytool_built").stdout
    names = [entry["event"] for entry in run(machine, "audit", "--json").data["findings"]]
    assert "mytool_built" not in names
    assert run(machine, "emit", "mytool_built", "--seconds", "many").status == 2


def test_with_consent_it_is_sent(machine: Machine) -> None:
    """Under consent to send, what a script emits leaves by itself, soon after."""
    with Endpoint() as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        settings.save(
            machine.environment(),
            {"mode": "on", "mode_since": machine.environment().now()},
            tool="mytool",
        )
        machine.run("emit", "session", "--version", "1", "--tool", "mytool")
        assert endpoint.wait_for(1)
        assert endpoint.received[0].path == "/v1/session"


@needs_terminal
def test_a_spool_that_takes_nothing_fails_no_script(machine: Machine) -> None:
    """It is silent, and --strict fails with the reason; JSON and a terminal tell it anyway."""
    words = ("emit", "run_init", "--stage", "READY", "--scripts", "1", "--duration", "1")
    homeless = machine.environment(state_dir=None)
    machine.state_dir.write_text("a file in its place")
    for environment, code, status in (
        (machine.environment(), "spool-unwritable", 4),
        (homeless, "folder-unknown", 3),
    ):
        assert run_inside(environment, *words) == Outcome(0, "", "")
        done = run_inside(environment, *words, "--json")
        assert (done.status, done.data["recorded"], done.data["problem"]) == (0, False, code)
        strict = run_inside(environment, *words, "--strict")
        assert (strict.status, strict.stdout) == (status, "")
        assert f"[{code}]" in strict.stderr
    assert "Nothing was recorded: The spool " in shown_to_a_person(machine, *words)
