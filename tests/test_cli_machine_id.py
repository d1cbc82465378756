"""Tests of `machine-id`, `reset-machine-id` and `cache-dir`: who is asked, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run_inside, snapshot
from tests.support.terminals import answer, needs_terminal
from usagectl.emitting import permission

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

QUIET = {"USAGECTL_TELEMETRY": "off"}
NAMES = ("localstack", "lstk")


@pytest.fixture
def owner(machine: Machine) -> Machine:
    """Make a machine that has an ID."""
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.write_text('{"machine_id": "dkr_0123456789ab"}')
    return machine


@needs_terminal
def test_a_no_on_the_terminal_changes_nothing(owner: Machine) -> None:
    """All three ask on a terminal; any answer but a yes leaves every file and sets the status.

    --yes is the answer; a script's --json and a dry run need none.
    """
    before = snapshot(owner.folder)
    commands = (("reset-machine-id",), ("cache-dir", "clear"), ("machine-id", "set", "custom-1"))
    for words in commands:
        for typed in (b"n\n", b"\n", b"\x04"):  # no, only enter, end of file
            status, screen = answer(owner, *words, typed=typed, variables=QUIET)
            assert b"[y/N]" in screen, words
            assert status != 0, (words, typed)
            assert b"Traceback" not in screen
            assert snapshot(owner.folder) == before, (words, typed)
    status, screen = answer(owner, "reset-machine-id", typed=b"y\n", variables=QUIET)
    assert status == 0
    assert b"Replace the machine ID" in screen
    assert "gen_" in owner.machine_json.read_text()
    for option in ("--yes", "-y", "--json", "--dry-run"):
        status, screen = answer(owner, "reset-machine-id", option, typed=b"n\n", variables=QUIET)
        assert (status, b"[y/N]" in screen) == (0, False), option


def register(machine: Machine) -> Path:
    """Make a program known that records through usagectl, and give it an ID."""
    emitter = permission.Emitter("mytool")
    assert permission.permit(machine.environment(), emitter)
    permission.machine_id(machine.environment(), emitter)
    return machine.state_dir / "machine-ids" / "mytool.json"


@needs_terminal
def test_the_question_names_every_tool_concerned(owner: Machine) -> None:
    """A person who removes IDs learns whose: those of other programs may be among them."""
    register(owner)
    _, screen = answer(owner, "cache-dir", "clear", typed=b"n\n", variables=QUIET)
    assert b"Remove the machine ID of localstack, mytool (2 files)?" in screen
    _, screen = answer(owner, "reset-machine-id", typed=b"n\n", variables=QUIET)
    assert b"Replace the machine ID of localstack, mytool?" in screen


def test_set_leaves_other_programs_alone_unless_named(owner: Machine) -> None:
    """An ID chosen for LocalStack is not given to a program of somebody else, which would link."""
    file = register(owner)
    drawn = file.read_text()
    assert owner.run("machine-id", "set", "custom-1").status == 0
    assert (file.read_text(), "custom-1" in owner.machine_json.read_text()) == (drawn, True)
    assert owner.run("machine-id", "set", "custom-2", "mytool").status == 0
    assert "custom-2" in file.read_text()
    assert "custom-1" in owner.machine_json.read_text()


def test_set_refuses_a_tool_that_would_not_take_any_id(owner: Machine) -> None:
    """The form of an ID of another tool is its own; nothing is written, and the hint helps."""
    before = snapshot(owner.folder)
    done = owner.run("machine-id", "set", "custom-1", "next", variables=QUIET)
    assert (done.status, snapshot(owner.folder)) == (2, before)
    assert "an ID of your own can be set for localstack, lstk" in done.stderr
    assert "try: usagectl reset-machine-id next\n" in done.stderr


def test_a_first_word_is_a_tool_unless_it_is_a_sub_command(owner: Machine) -> None:
    """A program that records through usagectl is one, too; a slip names what was meant."""
    register(owner)
    assert owner.run("machine-id", "mytool").stdout.startswith("  mytool cli  gen_")
    assert "Did you mean sqlmesh?" in owner.run("machine-id", "sqlmsh").stderr
    assert "did you mean set?" in owner.run("machine-id", "sett").stderr


def test_a_tool_that_is_not_here_has_no_row_unless_it_is_named_or_left_an_id(
    owner: Machine,
) -> None:
    """As `status` does, it lists what is found; an ID that is there is never passed over."""

    def tools_of(*names: str) -> set[str]:
        data = owner.run("machine-id", *names, "--json", variables=QUIET).data
        return {each["tool"] for each in data["places"]}

    assert "localstack" in tools_of()
    owner.machine_json.unlink()
    assert not {"localstack", "lstk", "next"} & tools_of()
    assert tools_of("lstk") == {"lstk"}
    owner.install_program("lstk")
    assert "lstk" in tools_of()


def test_nothing_is_cleared_where_nobody_can_be_asked(owner: Machine) -> None:
    """A removed ID is lost, so a pipe or a program has to say --yes; else no file changes."""
    before = snapshot(owner.folder)
    options: tuple[tuple[str, ...], ...] = ((), ("--json",))
    for option in options:
        done = owner.run("cache-dir", "clear", *option, variables=QUIET)
        assert done.status == 2
        assert "confirmation-needed" in done.stdout + done.stderr
        assert "usagectl cache-dir clear --yes" in done.stdout + done.stderr
        assert snapshot(owner.folder) == before
    owner.machine_json.unlink()
    for option in options:
        assert owner.run("cache-dir", "clear", *option, variables=QUIET).status == 0


def test_clear_says_removed(owner: Machine) -> None:
    """The verb is one that fits: an ID is removed, it does not become so."""
    planned = owner.run("cache-dir", "clear", "--dry-run").stdout
    assert planned.endswith("machine.json: dkr_******** (docker-derived) would be removed\n")
    done = owner.run("cache-dir", "clear", "--yes").stdout
    assert done.endswith("machine.json: dkr_******** (docker-derived) was removed\n")


def test_unset_takes_back_what_set_chose(owner: Machine) -> None:
    """The way back from `cache-dir set` touches the setting alone, never an ID."""
    default = owner.run("cache-dir", "--json").data["path"]
    owner.run("settings", "set", "spool.max_days", "5")
    owner.run("cache-dir", "set", "volume/cache")
    planned = owner.run("cache-dir", "unset", "--dry-run", "--json").data
    assert (planned["changed"], planned["dry_run"]) == (True, True)
    assert owner.run("cache-dir", "--json").data["path"] != default
    assert f"The cache dir is {default} again" in owner.run("cache-dir", "unset").stdout
    assert owner.run("cache-dir", "--json").data["path"] == default
    assert "stays as it is" in owner.run("cache-dir", "unset").stdout
    assert "max_days = 5" in (owner.config_dir / "settings.toml").read_text()
    assert "dkr_0123456789ab" in owner.machine_json.read_text()


def test_without_a_terminal_nothing_is_asked(owner: Machine) -> None:
    """In a pipe the command line itself is the answer; it never waits for one."""
    for stdin in (b"", b"n\n"):
        owner.machine_json.write_text("{}")
        done = owner.run("reset-machine-id", stdin=stdin)
        assert (done.status, done.stderr) == (0, "")
        assert "gen_" in owner.machine_json.read_text()
        assert "[y/N]" not in done.stdout


def test_an_id_that_was_typed_is_no_secret(owner: Machine) -> None:
    """What was there before is masked, and what was typed is printed whole."""
    assert "0123456789ab" not in owner.run("machine-id").stdout
    done = owner.run("machine-id", "set", "custom-1").stdout
    assert ("custom-1" in done, "0123456789ab" in done) == (True, False)


def test_the_chosen_folder_is_stored_absolute(machine: Machine) -> None:
    """A relative path and ~ are resolved when they are typed, so that they hold elsewhere too.

    `settings set localstack.cache_dir` takes a path the same way.
    """
    folders = {
        "volume/cache": "work/volume/cache",
        "./a/../b": "work/b",
        "~/volume": "home/volume",
        "~": "home",
        "~other/volume": "work/~other/volume",
        "missing/but/fine": "work/missing/but/fine",
        "~/x": "home/x",
        "x": "work/x",
        "a/../x": "work/x",
        str(machine.folder / "x"): "x",
    }
    environment = machine.environment()
    for typed, folder in folders.items():
        done = run_inside(environment, "cache-dir", "set", typed, "--json")
        assert (done.status, done.data["path"]) == (0, str(machine.folder / folder)), typed
        stored = run_inside(environment, "cache-dir", "--json").data["path"]
        assert stored == str(machine.folder / folder), typed
        same = run_inside(environment, "settings", "set", "localstack.cache_dir", typed, "--json")
        assert (same.status, same.data["changed"]) == (0, False), typed


@needs_terminal
def test_odd_folders_are_no_reason_to_fail(machine: Machine) -> None:
    """A name too long for any disk and a loop of links neither raise nor hang.

    A folder that cannot be one, or whose name settings cannot hold, is a usage error; no setting
    is written.
    """
    (machine.cwd / "taken").write_text("mine")
    badly_named = machine.environment(cwd=machine.folder / "bad\udcff")
    for environment, path in ((machine.environment(), "taken"), (badly_named, "./x")):
        done = run_inside(environment, "cache-dir", "set", path, "--json")
        assert (done.status, done.envelope["errors"][0]["code"]) == (2, "invalid-value")
        assert not machine.config_dir.exists()
    (machine.cwd / "loop").symlink_to("loop")
    for path in ("a" * 5000, "loop"):
        assert machine.run("cache-dir", "set", path).status in (0, 2)
        assert machine.run("status").status == 0
        done = machine.run("reset-machine-id", "--yes", "--json")
        assert done.status in (0, 3)
        assert "Traceback" not in done.stderr


CONTENTS = {
    "nested": '{"machine_id": ' + "[" * 90 + "]" * 90 + "}",
    "deep": '{"machine_id": ' + "[" * 9000 + "]" * 9000 + "}",
    "long": '{"machine_id": "' + "ab " * 300_000 + '"}',
    "control characters": '{"machine_id": "\\ud800\\u001b[31m\\u0000"}',
    "no JSON number": '{"machine_id": {"a": NaN}}',
}


def test_any_content_can_be_shown(owner: Machine, subtests: pytest.Subtests) -> None:
    """Whatever a file holds, every command that shows it answers, and no byte drives the screen."""
    for name, text in CONTENTS.items():
        owner.machine_json.write_text(text)
        for words in ("status", "machine-id --reveal", "preview localstack"):
            with subtests.test(f"{words} of {name}"):
                done = run_inside(owner.environment(), *words.split())
                assert (done.status, "Traceback" in done.stderr) == (0, False)
                assert "\x1b" not in done.stdout
                done = run_inside(owner.environment(), *words.split(), "--json")
                assert done.envelope["schema"] == 1


def test_every_command_names_the_same_machine_id(owner: Machine) -> None:
    """The container reads the command line's mounted file, whichever command is asked."""
    answers = [
        run_inside(owner.environment(), *words, "--json").data
        for words in (["status", *NAMES], ["enable", "--dry-run", *NAMES])
    ]
    seen = [[part["machine_id"] for part in answer["tools"]] for answer in answers]
    assert seen[0] == seen[1]
    assert seen[0][1] == {
        "value": "dkr_********",
        "kind": "docker-derived",
        "path": str(owner.machine_json),
    }
