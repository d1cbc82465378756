"""Tests of the completion scripts as text: up to date, whole, quoted, put where shells look."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.commands import run_inside
from tests.support.desks import FOLDER, REAL_NODES, read_powershell, write_scripts
from usagectl import catalogue
from usagectl.cli import completion
from usagectl.cli.completion import SHELLS, Argument, CommandNode, Option, Values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.machine import Machine

SPECIAL = "'\"$`\\!#;&|~=*?[]{}()<>%^@:,+-\t\n\r aZ0é\u2019\u2028\x85\ufeff\x1b\0\ud800😀"
HELP = st.lists(
    st.one_of(st.text(SPECIAL, max_size=12), st.text(max_size=12)), min_size=1, max_size=40
)
BATCH = settings(
    max_examples=20,
    # The folder is only a place for the file that the shell reads.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TABLES = {
    "bash": ("bash", "-n"),  # Holds no help.
    "zsh": (
        *("zsh", "-f", "-c"),
        "compdef() { }; source $0; for t in commands options; do"
        " _usagectl_$t usagectl; printf '%s\\0' $reply; done",
    ),
    "fish": (
        *("fish", "--no-config", "-c"),
        "source $argv[1]; for t in commands options; printf '%s\\0' (__usagectl_$t usagectl); end",
    ),
}


def tree_with(texts: Sequence[str]) -> CommandNode:
    """Make a tree that has each text as help of a command and of an option."""
    return CommandNode(
        "usagectl",
        options=tuple(Option((f"--o{n}", f"-{n}"), text) for n, text in enumerate(texts)),
        children=tuple(CommandNode(f"c{n}", text) for n, text in enumerate(texts)),
    )


def as_shown(text: str) -> str:
    """Return what is shown of a help text: one line, nothing that drives a terminal."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def entries(texts: Sequence[str], separator: str) -> list[str]:
    """List the entries of the tables of commands and options that a shell should have."""
    shown = [as_shown(text) for text in texts]
    return [
        *(f"c{n}{separator}{text}" for n, text in enumerate(shown)),
        *(f"--o{n},-{n}{separator}{text}" for n, text in enumerate(shown)),
    ]


def test_checked_in_files_are_what_is_generated() -> None:
    """`python -m usagectl completion --write completions` would change nothing, and add no file."""
    expected = {shell.file_name: shell.write(completion.read_tree()) for shell in SHELLS.values()}
    assert {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()} == expected


def test_tree_has_what_the_help_has(machine: Machine, subtests: pytest.Subtests) -> None:
    """Each command has the options that its own --help lists, with their help, and no other."""
    for path, node in REAL_NODES.items():
        text = run_inside(machine.environment(), *path.split()[1:], "--help").stdout
        listed = {
            spelling
            for line in re.findall(r"^  (-[^ ].*?)(?:  |$)", text, re.MULTILINE)
            for spelling in re.findall(r"(?:^|, )(--?[a-z][a-z-]*)", line)
        }
        flat = " ".join(text.split())
        with subtests.test(path):
            assert {each for option in node.options for each in option.spellings} == listed
            assert all(" ".join(option.help.split()) in flat for option in node.options)


def test_every_command_and_option_has_its_line(subtests: pytest.Subtests) -> None:
    """Each script's tables name every command, option and choice, and all help but bash's."""
    for name, shell in SHELLS.items():
        text = shell.write(completion.read_tree())
        for quoted in ("'\\''", "\\'", "''"):
            text = text.replace(quoted, "'")
        for path, node in REAL_NODES.items():
            lines = [",".join(option.spellings) for option in node.options]
            lines += [as_shown(option.help) for option in node.options if name != "bash"]
            lines += [each for argument in node.arguments for each in argument.values.choices]
            with subtests.test(f"{name}: {path}"):
                assert [line for line in (path, *lines) if line not in text] == []


def test_every_tool_is_listed_once() -> None:
    """A script spells the tools in one list, however many arguments take one."""
    names = catalogue.names()
    several = {
        f"{file.name}: {one}"
        for file in FOLDER.iterdir()
        for one, next_one in pairwise(names)
        if len(re.findall(rf"\W{one}\b\W+{next_one}\b", file.read_text("utf-8"))) != 1
    }
    assert several == set()


@pytest.mark.parametrize("shell", TABLES)
@BATCH
@given(texts=HELP)
def test_any_help_arrives_unchanged(shell: str, tmp_path: Path, texts: list[str]) -> None:
    """The shell finds no fault in the script, and its tables hold each help text.

    A backslash is doubled for zsh's listing alone.
    """
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    file = write_scripts(tree_with(texts), tmp_path)[shell]
    done = subprocess.run([*TABLES[shell], file], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    found = done.stdout.decode().split("\0")[:-1]
    if shell == "zsh":
        found = [entry.replace("\\\\", "\\") for entry in found]
    expected = {"zsh": entries(texts, ":"), "fish": entries(texts, "\t"), "bash": []}
    assert found == expected[shell]


@given(texts=HELP)
def test_powershell_spells_any_help_in_ascii(texts: list[str]) -> None:
    """The whole script is ASCII, and its strings yield the help texts."""
    text = SHELLS["powershell"].write(tree_with(texts))
    assert text.isascii()
    tables = text[text.index("__usagectl_commands([") : text.index("__usagectl_values([")]
    lines = "".join(re.findall(r"^ {12,}(.*\n)", tables, re.MULTILINE))
    assert read_powershell(lines) == entries(texts, "|")


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="pwsh is not installed")
def test_powershell_itself_offers(tmp_path: Path) -> None:
    """PowerShell offers sub-commands, choices and the help of options."""
    script = write_scripts(completion.read_tree(), tmp_path)["powershell"]
    ask = (
        f". '{script}'; foreach ($line in 'usagectl sta', 'usagectl status --expect ') {{"
        " (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText }"
    )
    done = subprocess.run(
        ["pwsh", "-NoProfile", "-Command", ask], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["status", "off", "local"]


def test_a_name_that_could_be_code_is_refused() -> None:
    """Names of commands, options and choices stand unquoted, so only plain ones pass."""
    for word in ("", "a b", "$(id)", "a'b", "-a", "*", "é", "a\n"):
        for node in (
            CommandNode(word),
            CommandNode("a", options=(Option((f"--{word}",)),)),
            CommandNode("a", arguments=(Argument(Values("choice", (word,))),)),
        ):
            with pytest.raises(ValueError, match="completed"):
                SHELLS["bash"].write(node)


def test_prints_the_script(machine: Machine) -> None:
    """The command prints the very file, for the shell that is named or is in $SHELL.

    A shell without a script is bad usage. Neither sets nor a hash seed decide on the text.
    """
    texts = {name: (FOLDER / shell.file_name).read_text("utf-8") for name, shell in SHELLS.items()}
    for name, text in texts.items():
        assert run_inside(machine.environment(), "completion", name).stdout == text
    machine.variables["SHELL"] = "/bin/fish"
    found = run_inside(machine.environment(), "completion", "--json")
    assert found.data == {"shell": "fish", "text": texts["fish"]}
    unknown = run_inside(machine.environment(), "completion", "tcsh")
    assert (unknown.status, unknown.stdout, ", ".join(SHELLS) in unknown.stderr) == (2, "", True)
    others = (
        machine.run("completion", "fish", variables={"PYTHONHASHSEED": seed}) for seed in "12"
    )
    assert [each.stdout for each in others] == [texts["fish"]] * 2


def test_writes_the_files(machine: Machine) -> None:
    """--write puts all files, or one, into a folder; --dry-run none; a second time, no change."""
    environment, folder = machine.environment(), machine.cwd / "out"

    def changes(*words: str) -> list[tuple[str, bool]]:
        found = run_inside(environment, "completion", *words, "--write", "out", "--json")
        return [(file["shell"], file["changed"]) for file in found.data["files"]]

    assert changes("--dry-run") == [(name, True) for name in SHELLS]
    assert not folder.exists()
    assert changes("zsh") == [("zsh", True)]
    assert [file.name for file in folder.iterdir()] == ["_usagectl"]
    assert changes() == [(name, name != "zsh") for name in SHELLS]
    shown = run_inside(environment, "completion", "--write", "out").stdout
    assert shown.count("stays as it is") == len(SHELLS)
    for file in FOLDER.iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()
        assert (folder / file.name).stat().st_mode & 0o777 == 0o644
    (machine.cwd / "file").write_text("")
    found = run_inside(environment, "completion", "--write", "file", "--json")
    assert (found.status, found.envelope["errors"][0]["code"]) == (3, "file-unwritable")
