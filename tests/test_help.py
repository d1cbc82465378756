"""Tests of the help: all of it is there, it fits, and it says what a person needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.commands import EXAMPLES, run_inside, tree
from usagectl.cli._commands import MODULES

if TYPE_CHECKING:
    import pytest

    from tests.support.machine import Machine

VERBS = (
    *("Choose", "Compare", "Count", "List", "Look", "Print", "Read", "Record", "Remove", "Replace"),
    *("Run", "Send", "Show", "Store", "Switch", "Undo", "Write"),
)


def help_of(machine: Machine, path: str, option: str = "--help") -> str:
    """Give the text of a command's --help as an 80-column terminal shows it."""
    outcome = run_inside(machine.environment(), *path.split(), option)
    assert (outcome.status, outcome.stderr) == (0, "")
    return outcome.stdout


def test_everything_has_help(subtests: pytest.Subtests) -> None:
    """Every command, option and argument says what it is for, in sentences."""
    for path, command in tree().items():
        with subtests.test(path):
            assert command.help
            assert command.params
            texts = {each.name: getattr(each, "help", None) or "" for each in command.params}
            assert [name for name, text in texts.items() if not text.endswith(".")] == []


def test_help_fits_and_shows_every_word_that_can_be_typed(
    machine: Machine, subtests: pytest.Subtests
) -> None:
    """No line is wider than 80 columns or cut off with dots; no option or argument is hidden."""
    commands = tree()
    for path in ["", *commands]:
        text = help_of(machine, path)
        with subtests.test(path):
            assert [line for line in text.splitlines() if len(line) > 80] == []
            assert not re.search(r"\.\.\.$", text.split("\n", 1)[1], flags=re.MULTILINE)
            assert text.startswith(f"Usage: usagectl {path}".rstrip())
            assert "-h, --help" in text
            for each in commands[path].params if path else ():
                is_option = each.opts[0].startswith("-")
                shown = each.opts if is_option else [each.metavar or "?"]
                assert [word for word in shown if word not in text] == []


def test_short_and_long_help_are_the_same(machine: Machine, subtests: pytest.Subtests) -> None:
    """-h and --help work at every depth and say the same."""
    for path in EXAMPLES:
        with subtests.test(path):
            assert help_of(machine, path, "-h") == help_of(machine, path)


def test_first_sentences_are_imperative(machine: Machine, subtests: pytest.Subtests) -> None:
    """The help begins with one sentence that says the effect, and the list shows it whole."""
    for path, command in tree().items():
        parent, _, name = path.rpartition(" ")
        first = " ".join((command.help or "").split("\n\n")[0].split())
        with subtests.test(path):
            assert first.split()[0] in VERBS
            assert first.endswith(".")
            assert f"{name} {first}" in " ".join(help_of(machine, parent).split())


def test_help_names_the_exit_status_where_it_matters(machine: Machine) -> None:
    """A command that scripts will branch on says what its status means."""
    assert "Exit with 1" in help_of(machine, "status")
    assert "Exits with 1" in help_of(machine, "disable")
    assert "exit status" in help_of(machine, "run")


def test_no_arguments_show_the_help(machine: Machine) -> None:
    """`usagectl` alone is a question, not a mistake: the help, on stdout, with status 0."""
    for words in ([], ["--help"], ["-h"]):
        outcome = run_inside(machine.environment(), *words)
        assert (outcome.status, outcome.stderr) == (0, "")
        listed = outcome.stdout.partition("Commands:\n")[2]
        assert re.findall(r"^  (\S+)", listed, re.MULTILINE) == list(MODULES)


def test_a_slip_is_answered_with_the_nearest_command(machine: Machine) -> None:
    """A mistyped command names the one that was meant."""
    outcome = run_inside(machine.environment(), "statsu")
    assert outcome.status == 2
    assert "did you mean status?" in outcome.stderr


def test_help_has_words_for_numbers(machine: Machine) -> None:
    """An option that takes a number says so, not `<int range>`."""
    text = help_of(machine, "replay")
    assert "--limit NUMBER " in text
    assert "range>" not in text
