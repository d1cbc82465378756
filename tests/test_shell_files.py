"""Tests of `disable --shell`: what real shells then have, and what hostile homes do to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import snapshot
from usagectl import shell_files
from usagectl.errors import FolderUnknownError, UsagectlError
from usagectl.machine import shells
from usagectl.tools.opt_outs import opt_out_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.machine import Machine, Machines

INTERACTIVE_ONLY = "case $- in\n    *i*) ;;\n      *) return;;\nesac\n"
"""How Debian's `.bashrc` begins."""

STARTS = {
    "bash login": ("bash", "-lc", "env -0"),
    "bash interactive": ("bash", "-ic", "env -0"),
    "sh login": ("sh", "-lc", "env -0"),
    "zsh script": ("zsh", "-c", "env -0"),
    "zsh login": ("zsh", "-lc", "env -0"),
    "zsh interactive": ("zsh", "-ic", "env -0"),
    "fish script": ("fish", "-c", "env -0"),
    "fish login": ("fish", "-lc", "env -0"),
}


def with_shells(machine: Machine) -> Machine:
    """Put bash, zsh, fish and PowerShell on PATH, and files into the home as Debian has them."""
    for name in ("bash", "zsh", "fish", "pwsh"):
        machine.install_program(name)
    (machine.home / ".bashrc").write_bytes(INTERACTIVE_ONLY.encode() + b"alias x=y # \xff")
    (machine.home / ".profile").write_bytes(b"umask 022\r\n")
    return machine


def held(folder: Path) -> dict[str, bytes]:
    """Return every path below a folder, with what is in it."""
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


def started(home: Path, *command: str, variables: Mapping[str, str] | None = None) -> str:
    """Start a shell in a home of its own; return what it prints, with any complaint."""
    given = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb", **(variables or {})}
    done = subprocess.run(
        command, env=given, cwd=home, capture_output=True, check=True, stdin=subprocess.DEVNULL
    )
    complaints = done.stderr.decode().splitlines()
    # Without a terminal an interactive bash says so, whatever its files hold.
    return done.stdout.decode() + "".join(
        each for each in complaints if "job control" not in each and "process group" not in each
    )


def test_real_shells_have_every_variable(machine: Machine) -> None:
    """Login, interactive and script shells get all opt-outs, and are silent when they are gone."""
    machine.home = machine.folder / 'it\'s a "home" $x'
    machine.home.mkdir()
    environment = with_shells(machine).environment()
    starts = {each: words for each, words in STARTS.items() if shutil.which(words[0])}
    bare = {
        each: started(machine.home, words[0], words[1], "true") for each, words in starts.items()
    }
    assert not shell_files.disable(environment).problems
    wanted = opt_out_variables().items()
    for each, words in starts.items():
        printed = started(machine.home, *words).split("\0")
        found = dict(word.split("=", 1) for word in printed if "=" in word)
        assert found.items() >= wanted, each
    shutil.rmtree(machine.config_dir)
    for each, words in starts.items():
        assert started(machine.home, words[0], words[1], "true") == bare[each], each


def test_twice_is_once_and_enable_gives_every_byte_back(machine: Machine) -> None:
    """A second run changes nothing; a dry run writes nothing; undone is as if never done."""
    environment = with_shells(machine).environment()
    (machine.root / "run/systemd/system").mkdir(parents=True)
    machine.state_dir.mkdir(0o700)  # Where writers take turns.
    before, was = snapshot(machine.folder), held(machine.folder)
    planned = shell_files.disable(environment, dry_run=True)
    assert snapshot(machine.folder) == before
    done = shell_files.disable(environment)
    assert [each.file for each in done.changes] == [each.file for each in planned.changes]
    assert (len(done.changes), done.problems) == (9, ())
    assert (machine.home / ".profile").read_bytes().endswith(b"--shell\r\n")
    once = snapshot(machine.folder)
    assert all(each.is_same for each in shell_files.disable(environment).changes)
    assert snapshot(machine.folder) == once
    shell_files.enable(environment, dry_run=True)
    assert snapshot(machine.folder) == once
    assert not shell_files.enable(environment).problems
    assert held(machine.folder) == was


def test_no_shell_gets_a_file_that_it_lacks(machine: Machine) -> None:
    """Who has bash alone gets nothing for zsh, fish, PowerShell or a desktop."""
    machine.install_program("bash")
    shell_files.disable(machine.environment())
    assert sorted(os.listdir(machine.home)) == [".bashrc", ".profile"]  # noqa: PTH208
    assert os.listdir(machine.config_dir) == ["opt-out.sh"]  # noqa: PTH208


def test_a_plain_sh_reads_them_as_a_login_shell(machine: Machine) -> None:
    """Where it is the only shell, as on Alpine, no file of another one is made."""
    machine.install_program("sh")
    shell_files.disable(machine.environment())
    assert [each.name for each in machine.home.iterdir()] == [".profile"]
    assert "DO_NOT_TRACK=1" in started(machine.home, "sh", "-lc", "env")
    shell_files.enable(machine.environment())
    assert not list(machine.home.iterdir())


def test_which_files_are_taken(machines: Machines) -> None:
    """Bash's first login file; zsh's in ZDOTDIR, and the home's that may set it."""
    cases = {
        (".bash_login", ".profile"): {".bash_login"},
        (".bash_profile", ".bash_login"): {".bash_profile"},
        (".zshrc",): {".zshenv"},
        (".zshenv",): {".zshenv"},
    }
    for names, wanted in cases.items():
        machine = machines()
        for name in (".bashrc", *names):
            (machine.home / name).write_text("# mine\n")
        machine.install_program("zsh" if ".zsh" in names[0] else "bash")
        shell_files.disable(machine.environment())
        changed = {each.name for each in machine.home.iterdir() if "usagectl" in each.read_text()}
        assert changed - {".bashrc", ".profile"} == wanted
    machine = machines()
    machine.install_program("zsh")
    moved = machine.folder / "z dot"
    machine.variables = {"ZDOTDIR": str(moved)}
    shell_files.disable(machine.environment())
    assert [*machine.home.iterdir(), *moved.iterdir()] == [moved / ".zshenv"]
    machine.variables = {}  # As from a shell that ZDOTDIR does not reach.
    assert not shell_files.enable(machine.environment()).problems
    assert not moved.exists()


def test_a_link_stays_a_link(machine: Machine) -> None:
    """A dotfiles folder gets the line; links, modes and what is added later stay."""
    dotfiles = machine.folder / "dotfiles"
    dotfiles.mkdir()
    file = dotfiles / "bashrc"
    file.write_text("# mine")
    file.chmod(0o640)
    (machine.home / ".bashrc").symlink_to(file)
    (machine.home / ".bash_profile").symlink_to(".bashrc")
    shell_files.disable(machine.environment())
    assert (machine.home / ".bashrc").is_symlink()
    assert file.read_text().count("# added by") == 1
    with file.open("a") as stream:
        stream.write("# later")
    shell_files.enable(machine.environment())
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("# mine\n# later", 0o640)


def spoiled(machine: Machine, kind: str) -> None:
    """Make `.bashrc` something that cannot be written."""
    file = machine.home / ".bashrc"
    if kind == "folder":
        file.mkdir()
        return
    file.write_bytes(b"x" * (5 << 20) if kind == "huge" else b"# mine\n")
    if kind == "read-only":
        file.chmod(0o444)
    if kind == "foreign":
        os.chown(file, 4711, 4711)


def test_one_bad_file_stops_no_other(machines: Machines) -> None:
    """What cannot be written is named and stays as it is; the other files have their line."""
    kinds = ["folder", "huge", "read-only", *(["foreign"] if os.geteuid() == 0 else [])]
    wanted = {"folder": "file-unreadable", "huge": "file-unreadable"}
    for kind in kinds:
        machine = machines()
        machine.install_program("bash")
        spoiled(machine, kind)
        environment = machine.environment(uid=os.geteuid())
        result = shell_files.disable(environment)
        assert [each.code for each in result.problems] == [wanted.get(kind, "file-unwritable")], (
            kind
        )
        assert str(machine.home / ".bashrc") in result.problems[0].message
        assert "usagectl" in (machine.home / ".profile").read_text()
        assert not shell_files.enable(environment).problems or kind in wanted
        assert not (machine.home / ".profile").exists()


def test_without_a_home_and_with_a_line_end_in_its_name(machine: Machine) -> None:
    """Neither can be served: the error says why, and nothing is written."""
    bare = machine.environment(config_dir=None)
    for act in (shell_files.disable, shell_files.enable):
        with pytest.raises(FolderUnknownError):
            act(bare)
    machine.install_program("bash")
    machine.home = machine.folder / "a\nb"
    machine.home.mkdir()
    result = shell_files.disable(machine.environment())
    assert [each.code for each in result.problems] == ["file-unwritable"] * 2
    assert os.listdir(machine.home) == []  # noqa: PTH208
    assert "\nb" not in (machine.config_dir / "opt-out.sh").read_text()


def test_two_at_once_write_one_line(machine: Machine) -> None:
    """Several that run at the same time leave what one would."""
    environment = with_shells(machine).environment()
    problems: list[UsagectlError] = []
    threads = [
        threading.Thread(target=lambda: problems.extend(shell_files.disable(environment).problems))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert (machine.home / ".bashrc").read_bytes().count(b"# added by") == 1


def test_powershells_line_is_quoted() -> None:
    """A path is one literal for PowerShell, whatever it holds."""
    line = shell_files.line_for(Path("/it's $HOME/`x/é.ps1"), "ps1")
    word = shells.quote_powershell("/it's $HOME/`x/é.ps1")
    assert line == f"if (Test-Path -LiteralPath ({word}) -PathType Leaf) {{ . ({word}) }}"
    assert "'/it''s $HOME/`x/' + [char]0x00e9 + '.ps1'" in line


def test_a_file_of_another_program_is_left(machine: Machine) -> None:
    """A session file of that name that is not ours stays, and the error names it."""
    file = machine.home / ".config/environment.d/60-usagectl.conf"
    file.parent.mkdir(parents=True)
    file.write_text("MINE=1\n")
    (problem,) = shell_files.disable(machine.environment()).problems
    assert (problem.code, file.read_text()) == ("file-exists", "MINE=1\n")
    shell_files.enable(machine.environment())
    assert file.read_text() == "MINE=1\n"


def test_the_command(machine: Machine) -> None:
    """`disable --shell` answers with its files, shows a dry run as a diff, and undoes it all."""
    machine.install_program("bash")
    last = "export TOKEN=tok-0123456789abcdef\n"
    (machine.home / ".profile").write_text(last)
    planned = machine.run("disable", "--shell", "--dry-run").stdout
    assert f"+++ {machine.home}/.bashrc\n" in planned
    assert f"+++ {machine.home}/.profile\n" in planned
    assert last not in planned
    assert "\n+export NEXT_TELEMETRY_DISABLED=1\n" in planned
    done = machine.run("disable", "--shell", "--json")
    changes = [each for each in done.data["changes"] if each["tool"] == "shell"]
    assert {each["name"] for each in changes} == {"opt-outs"}
    assert all(each["changed"] and each["value"] == "every one" for each in changes)
    again = machine.run("disable", "--shell").stdout
    assert "shell: nothing had to be added.\n" in again
    assert "  try: usagectl enable --shell\n" in machine.run("enable").stderr
    undone = machine.run("enable", "--shell")
    assert "Your shells" not in undone.stderr
    assert f"shell: {machine.home}/.bashrc is removed now\n" in undone.stdout
    assert (undone.status, machine.config_dir.exists()) == (0, False)


def test_what_is_set_otherwise_below_our_line_is_said(machine: Machine) -> None:
    """Of a later line of the same file the last word is a person's: the verdict follows it."""
    with_shells(machine)
    machine.install_program("streamlit")
    shell_files.disable(machine.environment())
    name = "STREAMLIT_BROWSER_GATHER_USAGE_STATS"
    for file, line in (
        (".bashrc", f"export {name}='true' # mine"),
        (".config/fish/config.fish", f"set -gx {name} true"),
        (".config/powershell/profile.ps1", f'$env:{name} = "true"'),
    ):
        place = machine.home / file
        before = place.read_bytes()
        place.write_bytes(before + f"# {line}\necho {name}=true\n{line}\n".encode())
        done = machine.run("disable", "--shell", "streamlit")
        number = place.read_bytes().count(b"\n")
        assert f"{place}:{number} sets {name}=true after that: there it wins." in done.stdout
        assert (done.status, f"export {name}=false" in done.stderr) == (1, True)
        place.write_bytes(before)
    assert machine.run("disable", "--shell", "streamlit").status == 0


def test_a_line_that_was_commented_out_is_added_again(machine: Machine) -> None:
    """It is there as text, and no shell reads it."""
    with_shells(machine)
    shell_files.disable(machine.environment())
    file = machine.home / ".bashrc"
    off = file.read_bytes()
    file.write_bytes(off.replace(b"\nif [", b"\n# if ["))
    shell_files.disable(machine.environment())
    assert file.read_bytes() == off
