"""Tests of the help: all of it is there, it fits, and it says what a person needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import EXAMPLES, run_inside, tree
from usagectl.cli._commands import MODULES

if TYPE_CHECKING:
    from tests.support.machine import Machine

VERBS = (
    "Look",
    "Record",
    "List",
    "Count",
    "Send",
    "Write",
    "Remove",
    *("Show", "Switch", "Undo", "Read", "Replace", "Print", "Run", "Write"),
    *("Choose", "Remove", "Store", "Compare"),
)
EXITS = {
    "status": "Exit with 1",
    "disable": "Exits with 1",
    "run": "exit status",
}


def help_of(machine: Machine, path: str) -> str:
    """Give the text of a command's --help as an 80-column terminal shows it."""
    outcome = run_inside(machine.environment(), *path.split(), "--help")
    assert (outcome.status, outcome.stderr) == (0, "")
    return outcome.stdout


@pytest.mark.parametrize("path", EXAMPLES)
def test_everything_has_help(path: str) -> None:
    """Every command, option and argument says what it is for, in sentences."""
    command = tree()[path]
    assert command.help
    assert command.params
    for parameter in command.params:
        text = getattr(parameter, "help", None)
        assert text, parameter.name
        assert text.endswith("."), parameter.name


@pytest.mark.parametrize("path", ["", *EXAMPLES])
def test_help_fits_80_columns(path: str, machine: Machine) -> None:
    """No line is wider than 80 columns, no word of it is cut off with dots."""
    text = help_of(machine, path)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert not re.search(r"\.\.\.$", text.split("\n", 1)[1], flags=re.MULTILINE)
    assert text.startswith(f"Usage: usagectl {path}".rstrip())


@pytest.mark.parametrize("path", EXAMPLES)
def test_first_sentences_are_imperative(path: str, machine: Machine) -> None:
    """The help begins with one sentence that says the effect, and the list shows it whole."""
    first = " ".join((tree()[path].help or "").split("\n\n")[0].split())
    assert first.split()[0] in VERBS
    assert first.endswith(".")
    parent = path.rpartition(" ")[0]
    listed = " ".join(help_of(machine, parent).split())
    assert f"{path.rpartition(' ')[2]} {first}" in listed


@pytest.mark.parametrize("path", EXAMPLES)
def test_help_shows_every_word_that_can_be_typed(path: str, machine: Machine) -> None:
    """No option, argument or sub-command is hidden."""
    text = help_of(machine, path)
    command = tree()[path]
    for parameter in command.params:
        shown = parameter.opts if parameter.opts[0].startswith("-") else [parameter.metavar or "?"]
        assert [word for word in shown if word not in text] == []
    assert "-h, --help" in text


@pytest.mark.parametrize(("path", "words"), EXITS.items())
def test_help_names_the_exit_status_where_it_matters(
    path: str, words: str, machine: Machine
) -> None:
    """A command that scripts will branch on says what its status means."""
    assert words in help_of(machine, path)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_no_arguments_show_the_help(words: list[str], machine: Machine) -> None:
    """`usagectl` alone is a question, not a mistake: the help, on stdout, with status 0."""
    outcome = run_inside(machine.environment(), *words)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert [line.split()[0] for line in _commands_of(outcome.stdout)] == list(MODULES)


def test_short_and_long_help_are_the_same(machine: Machine) -> None:
    """-h and --help work at every depth and say the same."""
    for path in EXAMPLES:
        short = run_inside(machine.environment(), *path.split(), "-h")
        assert short.stdout == help_of(machine, path)


def test_a_slip_is_answered_with_the_nearest_command(machine: Machine) -> None:
    """A mistyped command names the one that was meant."""
    outcome = run_inside(machine.environment(), "statsu")
    assert outcome.status == 2
    assert "did you mean status?" in outcome.stderr


def _commands_of(text: str) -> list[str]:
    lines = text.partition("Commands:\n")[2].splitlines()
    return [line for line in lines if re.match(r"  \S", line)]
