"""Tests of the completion scripts in real shells: what a person who presses Tab is offered."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.desks import (
    BASH,
    BREAKS,
    DESKS,
    FOLDER,
    REAL_NODES,
    Bash,
    Desk,
    Terminal,
    output,
    sit_down,
    write_scripts,
)
from usagectl import catalogue
from usagectl.cli import completion
from usagectl.machine import shells

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.desks import Place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make a folder with two folders and a file; PATH leads to programs that leave a trace."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("bin", "folder", "fold it", "home"):
        (folder / name).mkdir()
    (folder / "foldfile").touch()
    for name in ("usagectl", "helper", "xyzzylike"):
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\ntouch '{folder}/started'\n")
        program.chmod(0o755)
    home = str(folder / "home")
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    return folder, {"HOME": home, "PATH": path, "LANG": "C.UTF-8"}


@pytest.fixture(scope="module", params=DESKS)
def desk(request: pytest.FixtureRequest, place: Place) -> Iterator[Desk]:
    """Sit down at each shell, with the checked-in scripts."""
    with sit_down(request.param, place, FOLDER) as found:
        yield found


CASES = {
    "usagectl sta": {"status"},
    "./bin/usagectl sta": {"status"},
    "usagectl machine-id ": {"set", "show"},
    "usagectl cache-dir ": {"set", "unset", "clear"},
    "usagectl settings un": {"unset"},
    "usagectl nonsense ": set(),
    "usagectl status --re": {"--reveal"},
    "usagectl status --json --j": set(),
    "usagectl reset-machine-id -y --y": set(),
    "usagectl reset-machine-id --dry-run --y": {"--yes"},
    "usagectl cache-dir --json clear --j": {"--json"},
    "usagectl status --expect ": {"off", "local"},
    "usagectl status --expect=l": {"--expect=local"},
    "usagectl status --expect off --ex": set(),
    "usagectl status --expect=off --ex": set(),
    "usagectl preview --localstack-version ": set(),
    "usagectl preview --localstack-version 4.1 lo": {"localstack"},
    "usagectl env ": set(shells.FORMATS),
    "usagectl env bash ": {"--tool", "--json", "--help", "-h"},
    "usagectl completion ": set(completion.SHELLS),
    "usagectl explain ses": {"session"},
    "usagectl explain session.mach": {"session.machine_id"},
    "usagectl explain lambda:co": {"lambda:config"},
    "usagectl explain lambda:config.exec": {"lambda:config.executor_mode"},
    "usagectl disable ": set(catalogue.names()),
    "usagectl enable ": set(catalogue.names()),
    "usagectl preview ": set(catalogue.names()),
    "usagectl disable --dry-run lstk ": set(catalogue.names()) - {"lstk"},
    "usagectl disable -- us": {"usagectl"},
    "usagectl disable -- -": set(),
    "usagectl settings set loc": {"localstack.cache_dir"},
    "usagectl settings set telemetry.mode ": set(),
    "usagectl cache-dir set fo": {"fold it", "folder"},
    "usagectl cache-dir set --dry-run folde": {"folder"},
    "usagectl run -- xyzz": {"xyzzylike"},
    "usagectl run xyzz": {"xyzzylike"},
    "usagectl run --he": {"--help"},
}


def test_tab_offers_what_fits(desk: Desk, place: Place, subtests: pytest.Subtests) -> None:
    """Exactly what may stand at the cursor and begins with what is typed is offered.

    No Tab runs usagectl, nor any other program: each would leave a trace.
    """
    folder, variables = place
    for line, expected in CASES.items():
        found = {word.rstrip("/").replace("\\", "") for word in desk.offers(line)}
        with subtests.test(line):
            assert found == expected
    assert not (folder / "started").exists()
    subprocess.run(["usagectl"], env=variables, check=True)
    (folder / "started").unlink()


def test_every_command_offers_its_options(desk: Desk) -> None:
    """At each command of the tree, `-` offers all of its options and no other."""
    for path, node in REAL_NODES.items():
        options = {spelling for option in node.options for spelling in option.spellings}
        assert set(desk.offers(f"{path} -")) == options, path
        if node.children:
            assert set(desk.offers(f"{path} ")) == {child.name for child in node.children}


def test_fields_wait_for_their_event(desk: Desk) -> None:
    """`explain` offers events and tools, then the fields of the event that is typed."""
    names = completion.word_values()["TOPIC"].choices
    events = {name for name in names if "." not in name}
    assert set(desk.offers("usagectl explain ")) == events
    of_session = {name for name in names if name.startswith("session.")}
    assert set(desk.offers("usagectl explain session.")) == of_session != set()


def test_options_are_described(desk: Desk) -> None:
    """Beside each option, and each alias of it, zsh and fish show its help."""
    offered = desk.offers("usagectl reset-machine-id -")
    for option in REAL_NODES["usagectl reset-machine-id"].options:
        for spelling in option.spellings:
            assert offered[spelling] == ("" if isinstance(desk, Bash) else option.help)


def test_run_hands_over_to_the_command(desk: Desk) -> None:
    """Behind `run -- helper` stands what helper's own completion offers; bash's, files."""
    own = {"foldfile", "fold it", "folder"} if isinstance(desk, Bash) else {"alpha", "beta"}
    assert set(desk.offers("usagectl run -- helper --json ")) >= own
    assert set(desk.offers("usagectl run helper ")) >= own


HARD = 'it\'s "so" $HOME `id` \\\\ [a]: {b} (c) %d ~ * | ; <x> & # é end'


@pytest.mark.parametrize("name", DESKS)
def test_any_tree_is_completed(name: str, place: Place, tmp_path: Path) -> None:
    """What the real tree does not have yet works too: files, repeated options, hard help."""
    child = completion.CommandNode(
        "child",
        HARD,
        options=(
            completion.Option(("--tag", "-t"), values=completion.Values(), is_repeatable=True),
            completion.Option(("--file", "-f"), HARD, completion.Values("file")),
        ),
        arguments=(
            completion.Argument(completion.Values("file")),
            completion.Argument(completion.Values("choice", ("a.x", "a", "b.x")), is_variadic=True),
        ),
    )
    tree = completion.CommandNode("usagectl", children=(child,))
    write_scripts(tree, tmp_path)
    with sit_down(name, place, tmp_path) as desk:
        assert desk.offers("usagectl c") == {"child": "" if name == "bash" else HARD}
        assert set(desk.offers("usagectl child --tag x -")) == {"--tag", "-t", "--file", "-f"}
        assert set(desk.offers("usagectl child -f x -")) == {"--tag", "-t"}
        assert set(desk.offers("usagectl child -t fold")) == set()
        assert set(desk.offers("usagectl child foldf")) == {"foldfile"}
        assert set(desk.offers("usagectl child -f foldf")) == {"foldfile"}
        assert set(desk.offers("usagectl child --file=foldf")) == {"--file=foldfile"}
        assert set(desk.offers("usagectl child x ")) == {"a", "b.x"}
        assert set(desk.offers("usagectl child x b.x a")) == {"a", "a.x"}


TERMINALS = {
    "bash": (
        ("bash", "--norc", "--noprofile", "-i"),
        f"PS1='> '; source '{FOLDER}/usagectl.bash'",
    ),
    "zsh": (
        ("zsh", "-f", "-i"),
        f"PS1='> '; fpath=('{FOLDER}' $fpath); autoload -Uz compinit; compinit -u -D",
    ),
}
BASH_COMPLETION = """
_command_offset() { COMPREPLY=("offset $1 in $COMP_CWORD"); }
"""


def test_bash_completion_is_used_where_it_is_loaded(place: Place) -> None:
    """The command behind `run --` is completed by bash-completion, told where it begins."""
    folder, variables = place
    words = ("usagectl", "run", "--", "helper", "a", "=", "b")
    script = f"{BASH_COMPLETION}\n{BASH}"
    command = ("bash", "--norc", "-c", script, "bash", str(FOLDER / "usagectl.bash"), BREAKS)
    assert output((*command, *words), folder, variables) == ["offset 3 in 6"]


TYPED = [
    ("usagectl stat", "usagectl status "),
    ("./bin/usagectl machine-id se", "machine-id set "),
    ("usagectl status --expect=l", "status --expect=local "),
    ("usagectl explain lambda:con", "explain lambda:config"),
    ("usagectl cache-dir set fold\\ ", r"set fold\ it/"),
    ("usagectl run -- xyzz", "xyzzylike "),
    ("usagectl run -- cat foldf", "cat foldfile "),
]


@pytest.mark.parametrize("name", TERMINALS)
def test_tab_fills_in_the_line(name: str, place: Place) -> None:
    """At a terminal, Tab completes the word in its place, and quotes what has to be."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    folder, variables = place
    command, setup = TERMINALS[name]
    terminal = Terminal(*command, folder=folder, variables=variables)
    try:
        terminal.type(f"{setup}; echo rea''dy!\r", until=r"ready![\s\S]*> ")
        for typed, shown in TYPED:
            terminal.type(f"{typed}\t", until=re.escape(shown))
            terminal.type("\x15echo rea''dy!\r", until="ready!")  # In place of that line.
    finally:
        terminal.close()
