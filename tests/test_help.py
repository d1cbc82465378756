"""Tests of the help: all of it is there, it fits, and it says what a person needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.commands import run_inside, tree
from usagectl.cli._commands import MODULES

if TYPE_CHECKING:
    import pytest

    from tests.support.machine import Machine

VERBS = (
    *("Choose", "Compare", "Count", "List", "Look", "Print", "Read", "Record", "Remove", "Replace"),
    *("Run", "Send", "Show", "Store", "Switch", "Undo", "Write"),
)


def help_of(machine: Machine, path: str, option: str = "--help") -> str:
    """Return the text of a command's --help as an 80-column terminal shows it."""
    outcome = run_inside(machine.environment(), *path.split(), option)
    assert (outcome.status, outcome.stderr) == (0, "")
    return outcome.stdout


def test_every_command_has_its_help(machine: Machine, subtests: pytest.Subtests) -> None:
    """Each command, option and argument says what it is for, in sentences that fit.

    The first one is imperative, and the list of commands shows it whole. No line is wider than
    80 columns or cut off with dots, no option or argument is hidden, and -h says the same.
    """
    for path, command in tree().items():
        text = help_of(machine, path)
        parent, _, name = path.rpartition(" ")
        first = " ".join((command.help or "").split("\n\n")[0].split())
        with subtests.test(path):
            assert command.params
            texts = {each.name: getattr(each, "help", None) or "" for each in command.params}
            assert [name for name, text in texts.items() if not text.endswith(".")] == []
            assert (first.split()[0] in VERBS, first[-1]) == (True, ".")
            assert f"{name} {first}" in " ".join(help_of(machine, parent).split())
            check_layout(text, path)
            for each in command.params:
                is_option = each.opts[0].startswith("-")
                shown = each.opts if is_option else [each.metavar or "?"]
                assert [word for word in shown if word not in text] == []
            assert help_of(machine, path, "-h") == text
    check_layout(help_of(machine, ""), "")


def check_layout(text: str, path: str) -> None:
    """Assert that a help text is whole and fits 80 columns."""
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert not re.search(r"\.\.\.$", text.split("\n", 1)[1], flags=re.MULTILINE)
    assert text.startswith(f"Usage: usagectl {path}".rstrip())
    assert "-h, --help" in text


def test_help_says_what_matters(machine: Machine) -> None:
    """A command that scripts will branch on says what its status means."""
    assert "Exit with 1" in help_of(machine, "status")
    assert "Exits with 1" in help_of(machine, "disable")
    assert "exit status" in help_of(machine, "run")
    # A number is called so, and not `<int range>`.
    assert "--limit NUMBER " in help_of(machine, "replay")
    assert "range>" not in help_of(machine, "replay")


def test_no_arguments_show_the_help(machine: Machine) -> None:
    """`usagectl` alone is a question, not a mistake: the help, on stdout, with status 0."""
    for words in ([], ["--help"], ["-h"]):
        outcome = run_inside(machine.environment(), *words)
        assert (outcome.status, outcome.stderr) == (0, "")
        listed = outcome.stdout.partition("Commands:\n")[2]
        assert re.findall(r"^  (\S+)", listed, re.MULTILINE) == list(MODULES)
