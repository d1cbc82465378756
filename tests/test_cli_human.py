"""Tests of what a person sees: where it goes, how wide it is, what never reaches a terminal."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import ANSWERING, example, furnish, run_inside
from tests.support.spooling import lay, make_record
from tests.support.terminals import ESCAPE, draw_all, needs_terminal
from usagectl.spool import STATES

if TYPE_CHECKING:
    from tests.support.machine import Machine, Machines, Outcome

# Colour, cursor, a C1 control, carriage return, a line end, right-to-left override, a half pair.
EVIL = "A\x1b[31mB\x1b[2JC\x9bD\rE\nFORGED: off\u202eF\x07"


def well_furnished(machine: Machine) -> Machine:
    """Furnish a machine so that every command has something to show, warnings too."""
    furnish(machine)
    machine.variables |= {"DISABLE_EVENTS": "yes", "CACHE_DIR": str(machine.folder / "old")}
    return machine


@pytest.fixture
def furnished(machine: Machine) -> Machine:
    """Make a machine with something to say about everything."""
    return well_furnished(machine)


@needs_terminal
def test_lines_fit_the_terminal(furnished: Machine, subtests: pytest.Subtests) -> None:
    """No line is wider than the terminal or ends in blanks, and no character is cut off.

    `spool list` shows more of a uid where there is room, `spool stats` a wider chart.
    """
    for state in STATES:
        lay(furnished, make_record(), make_record(tool="lstk"), state=state)
    whole = (
        *("status", "explain", "explain session", "machine-id", "settings", "spool"),
        *("disable --dry-run", "spool show --rejected", "spool purge --dry-run"),
    )
    commands = (*whole, "spool list", "spool list --sent --rejected", "spool stats", "disable")
    runs = [(words, width) for words in commands for width in (40, 80, 120, 0)]
    drawn = dict(zip(runs, draw_all(furnished, runs), strict=True))
    for words, width in runs:
        lines = ESCAPE.sub("", drawn[words, width]).splitlines()
        with subtests.test(f"{words} at {width}"):
            assert lines
            assert [line for line in lines if len(line) > (width or 1000)] == []
            assert [line for line in lines if line != line.rstrip()] == []
            if words in whole:
                piped = drawn[words, 0]
                assert Counter("".join("".join(lines).split())) == Counter("".join(piped.split()))


@needs_terminal
def test_a_narrow_terminal_breaks_between_words(furnished: Machine) -> None:
    """At 20 and 40 columns a table's cells stand below each other rather than in shreds.

    What is longer than a line is broken behind a slash or another mark.
    """
    lay(furnished, make_record(), state="sent")
    commands = ("status", "settings", "spool list --sent", "explain session", "audit", "machine-id")
    widths = (0, 20, 40)
    drawn = draw_all(furnished, [(words, width) for words in commands for width in widths])
    odd = []
    for at, words in enumerate(commands):
        piped, *narrow = (ESCAPE.sub("", each) for each in drawn[3 * at : 3 * at + 3])
        known = set(re.split(r"[\s/=_.,:-]+", piped))
        for width, text in zip(widths[1:], narrow, strict=True):
            shreds = set(re.split(r"[\s/=_.,:-]+", text)) - known
            odd += [(words, width, shred) for shred in shreds]
            odd += [(words, width, line) for line in text.splitlines() if len(line) > width]
    assert odd == []


@needs_terminal
def test_a_long_path_breaks_behind_a_slash(machine: Machine, subtests: pytest.Subtests) -> None:
    """A path that is longer than its column is broken between names, so that each can be read."""
    machine.install_localstack()
    machine.variables["XDG_CACHE_HOME"] = str(machine.folder / "a-folder" / "another-folder")
    run_inside(machine.environment(), "machine-id", "set", "custom-1")
    for words in ("status", "machine-id", "cache-dir clear --dry-run"):
        piped, drawn = draw_all(machine, [(words, 0), (words, 80)], variables={"NO_COLOR": "1"})
        with subtests.test(words):
            for name in ("a-folder/", "another-folder/", "localstack-cli", "machine.json"):
                assert drawn.count(name) == piped.count(name) > 0
            assert re.search(r"/$", drawn, re.MULTILINE)


def test_settings_name_their_file_once(furnished: Machine) -> None:
    """The file stands below the table; beside each setting the word alone says where it is."""
    furnished.variables.pop("DISABLE_EVENTS")
    shown = run_inside(furnished.environment(), "settings").stdout
    assert shown.count("settings.toml") == 1
    assert re.search(r"telemetry.mode +local +setting$", shown, re.MULTILINE)


@needs_terminal
def test_colour_follows_the_variables(furnished: Machine) -> None:
    """A terminal gets colour, and a pipe with FORCE_COLOR; NO_COLOR takes all of it, bold too."""
    (coloured,) = draw_all(furnished, [("status", 80)])
    (plain,) = draw_all(furnished, [("status", 80)], variables={"NO_COLOR": "1"})
    assert ESCAPE.search(coloured)
    assert "localstack cli" in plain
    assert "\x1b" not in plain
    piped, forced, both = (
        draw_all(furnished, [("explain cli_cmd", 0)], variables=dict.fromkeys(names, "1"))[0]
        for names in ((), ("FORCE_COLOR",), ("FORCE_COLOR", "NO_COLOR"))
    )
    assert ESCAPE.search(forced)
    assert ESCAPE.sub("", forced) == piped == both


def test_a_pipe_gets_plain_whole_lines(machines: Machines, subtests: pytest.Subtests) -> None:
    """In a pipe there is no escape code, no blank at a line's end and no stray message."""
    for path in ANSWERING:
        outcome = run_inside(well_furnished(machines()).environment(), *example(path))
        with subtests.test(path):
            assert outcome.stdout.endswith("\n") != path.startswith("emit ")  # Those are silent.
            assert "\x1b" not in outcome.stdout + outcome.stderr
            lines = outcome.stdout.splitlines()
            if path != "completion":  # A script's own text.
                assert [line for line in lines if line != line.rstrip()] == []
            if outcome.status == 0 and path != "cache-dir clear":
                assert outcome.stderr == ""


def test_a_pipe_is_never_wrapped(machine: Machine) -> None:
    """One fact is one line, however long its path is, so that lines can be searched and cut."""
    deep = "d" * 200 + "/" + "e" * 200 + "/" + "f" * 200
    machine.variables["XDG_CACHE_HOME"] = f"/{deep}/{deep}"
    lines = run_inside(machine.environment(), "machine-id", "localstack").stdout.splitlines()
    assert sum(f"/{deep}/{deep}/localstack-cli/machine.json" in line for line in lines) == 1


def test_prose_is_wrapped_in_a_pipe_too(machine: Machine, subtests: pytest.Subtests) -> None:
    """The notice in words goes to a pager: it is as wide as COLUMNS says, else as a page."""
    commands = ("explain", "explain D03", "explain session.machine_id")
    for columns, width in (("", 80), ("120", 120), ("x", 80)):
        runs = [(words, 0) for words in commands]
        for words, shown in zip(
            commands, draw_all(machine, runs, variables={"COLUMNS": columns}), strict=True
        ):
            with subtests.test(f"{words} with COLUMNS={columns}"):
                assert width - 20 < max(map(len, shown.splitlines())) <= width


def test_a_field_of_the_notice_stays_one_line_in_a_pipe(machine: Machine) -> None:
    """A person who looks for a field with grep gets its type, class and meaning whole."""
    lines = run_inside(machine.environment(), "explain", "session").stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("  api_key "))
    assert re.search(r"string or null +secret +The auth token .* there is none\.$", line)


def test_errors_stand_beside_the_answer(furnished: Machine) -> None:
    """A command that did part of its work answers on stdout and complains on stderr."""
    outcome = run_inside(furnished.environment(), "disable")
    assert outcome.status == 1
    assert "DISABLE_EVENTS=1 now" in outcome.stdout
    assert "error:" not in outcome.stdout
    assert outcome.stderr.count("[switch-ineffective]") == outcome.stderr.count("  try: ") >= 3


WARNED = [
    {"DISABLE_EVENTS": "yes"},
    {"LOCALSTACK_DISABLE_EVENTS": "on"},
    {"LOCALSTACK_DISABLE_EVENTS": "1"},
    {"DO_NOT_TRACK": "1"},
    {"DISABLE_EVENTS": "1", "LOCALSTACK_DISABLE_EVENTS": "0"},
    {"CONFIG_PROFILE": "loud"},
    {"USAGECTL_TELEMETRY": "maybe"},
    {"CONFIG_PROFILE": "broken"},
    {"HOME": "/nowhere"},
]


def test_each_warning_shows_a_next_step(machines: Machines, subtests: pytest.Subtests) -> None:
    """A warning without something to do about it only worries; each has a hint, and shows it."""
    for variables in WARNED:
        machine = machines()
        furnish(machine)
        machine.default_profile.write_text("DISABLE_EVENTS=1\n")
        machine.default_profile.with_name("broken.env").write_bytes(b"\xff")
        (machine.cwd / ".usagectl.toml").write_text('[telemetry]\nmode = "on"\n')
        machine.variables |= variables
        parts = run_inside(machine.environment(), "status", "--json").data["tools"]
        warnings = [warning for part in parts for warning in part["warnings"]]
        shown = run_inside(machine.environment(), "status").stdout
        with subtests.test(str(variables)):
            assert warnings
            for warning in warnings:
                assert warning["hint"]
                if warning["code"] == "do-not-track-ignored":
                    continue  # Said once for all of them: test_one_opt_out_is_warned_of_once.
                assert f": {warning['message']}\n    try: {warning['hint']}\n" in shown


EVIL_VARIABLES = (
    *("DISABLE_EVENTS", "USAGECTL_TELEMETRY", "CONFIG_PROFILE", "CONFIG_DIR", "XDG_CACHE_HOME"),
    *("LOCALSTACK_VOLUME_DIR", "LOCALSTACK_AUTH_TOKEN", "LOCALSTACK_BUILD_GIT_HASH"),
    "ANALYTICS_API",
)
READING = (
    *("status", "preview --if-enabled --reveal", "machine-id --reveal", "cache-dir", "settings"),
    "disable --dry-run",
)
TAKING = (
    *("disable EVIL", "explain EVIL", "env EVIL", "machine-id set EVIL", "status --expect EVIL"),
    *("settings set telemetry.mode EVIL", "settings set EVIL x", "cache-dir set EVIL --dry-run"),
    *("EVIL", "run -- EVIL", "spool list --until EVIL"),
)
"""Command lines with a place for what was typed."""


def test_control_characters_of_variables_are_escaped(
    machine: Machine, subtests: pytest.Subtests
) -> None:
    """A value of the environment can neither colour, clear nor forge a line of an answer."""
    for name in EVIL_VARIABLES:
        machine.variables = {name: f"/{EVIL}"}
        for words in READING:
            with subtests.test(f"{name}, {words}"):
                check_tame(run_inside(machine.environment(), *words.split()))


def test_control_characters_of_files_and_arguments_are_escaped(
    machine: Machine, subtests: pytest.Subtests
) -> None:
    """Nor can what a file holds, what a file is called or what was typed."""
    folder = machine.default_profile.parent
    folder.mkdir()
    machine.default_profile.write_text(f'DISABLE_EVENTS="{EVIL}"\n')
    (folder / f"{EVIL}.env").write_text("DISABLE_EVENTS=0\n")
    machine.machine_json.parent.mkdir(parents=True)
    machine.machine_json.write_text('{"machine_id": "A\\u001b[31m\\u009b\\nFORGED"}')
    (machine.cwd / f".{EVIL}-version").write_text("")
    environment = machine.environment(config_dir=machine.folder / f"config{EVIL}")
    for words in (*READING, *TAKING):
        typed = [EVIL if word == "EVIL" else word for word in words.split()]
        with subtests.test(words):
            check_tame(run_inside(environment, *typed))


def check_tame(outcome: Outcome) -> None:
    """Assert that nothing of an answer would drive a terminal or forge a line."""
    text = outcome.stdout + outcome.stderr
    assert {char for char in text if not char.isprintable()} <= {"\n"}
    assert [line for line in text.splitlines() if line.startswith("FORGED")] == []


def test_switching_what_is_not_there_says_so(machine: Machine) -> None:
    """A tool that is not on this machine is not switched; the answer is a sentence, not silence."""
    for path in ("disable", "enable"):
        outcome = run_inside(machine.environment(), path, "lstk")
        wanted = "lstk: not found on this machine, so there is nothing to switch.\n"
        assert (outcome.stdout, outcome.stderr) == (wanted, "")


def test_what_was_switched_is_not_said_to_be_missing(machine: Machine) -> None:
    """A project's file is written for a tool that is not found here; no more is said of it."""
    outcome = run_inside(machine.environment(), "disable", "--project", "kedro")
    assert "has consent=false now" in outcome.stdout
    assert "not found" not in outcome.stdout
