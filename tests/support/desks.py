"""Shells for the completion tests (bash, fish, zsh), a terminal, and the tree to complete."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import termios
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import REPOSITORY
from usagectl.cli import completion
from usagectl.cli.completion import SHELLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.cli.completion import CommandNode

    Place = tuple[Path, dict[str, str]]

SECONDS = 20.0
"""Longer than any shell takes on a busy machine: who waits so long has failed."""

FOLDER = REPOSITORY / "completions"
BREAKS = " \t\n\"'><=;|&(:"
BASH = """
source "$1"; COMP_WORDBREAKS=$2; shift 2
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE=$*; COMP_POINT=${#COMP_LINE}
spec=$(complete -p usagectl) && [[ $spec == *' -F '* ]] && spec=${spec##*-F }
"${spec% *}" && printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
function helper; end
complete -c helper -f -a 'alpha beta'
complete -C "$argv"
"""
ZSH = """
PS1='ready> ' LISTMAX=10000
fpath=("$COMPLETIONS" $fpath)
autoload -Uz compinit && compinit -u -D
_helper() { compadd alpha beta }
compdef _helper helper
compadd() {
    local -a found
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
        builtin compadd -A found "${@:#-E*}"
        print -rl -- $'\\x02'${^found}$'\\x03'
    fi
    builtin compadd "$@"
}
zle -C offer list-choices _main_complete
capture() { print; zle offer; zle -R; print -r -- $'\\x04'; BUFFER= }
zle -N capture && bindkey '^T' capture
print -r -- rea''dy!
"""


class Terminal:
    """A program at a terminal, and what is typed to it."""

    def __init__(self, *command: str, folder: Path, variables: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (200, 400))
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**variables, "TERM": "dumb"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def type(self, text: str, *, until: str) -> str:
        """Type, and return all that is shown up to some text."""
        os.write(self._master, text.encode())
        shown, deadline = b"", time.monotonic() + SECONDS
        while not re.search(until, shown.decode(errors="replace")):
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._master], [], [], left)
            assert ready, f"{until!r} was never shown, only {shown!r}"
            shown += os.read(self._master, 65536)
        return shown.decode()

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)


class Bash:
    """Bash's completion function, called as bash calls it.

    As with every shell here, `scripts` is the folder of completions, and `offers` presses Tab at
    the end of a line: it returns whole words, each with what is said of it.
    """

    def __init__(self, folder: Path, variables: dict[str, str], *, scripts: Path) -> None:
        self._folder, self._variables, self._scripts = folder, variables, scripts

    def offers(self, line: str) -> dict[str, str]:
        """Split the line as bash does, and put what readline keeps before each reply."""
        pieces = re.findall(r"[=:]+|[^\s=:]+", line) + [""] * line.endswith(" ")
        kept = re.sub(r"[^=:]*$", "", line.rpartition(" ")[2])
        command = ("bash", "--norc", "-c", BASH, "bash", f"{self._scripts}/usagectl.bash", BREAKS)
        replies = output((*command, *pieces), self._folder, self._variables)
        return dict.fromkeys((kept + reply for reply in replies if reply), "")


class Fish:
    """Fish, which finds the script in the user's folder for completions."""

    def __init__(self, folder: Path, variables: dict[str, str], *, scripts: Path) -> None:
        config = tempfile.mkdtemp(dir=folder / "home")
        (Path(config) / "fish").mkdir()
        (Path(config) / "fish" / "completions").symlink_to(scripts)
        self._folder, self._variables = folder, {**variables, "XDG_CONFIG_HOME": config}

    def offers(self, line: str) -> dict[str, str]:
        """Drop what only resembles the word: fish guesses on its own."""
        replies = output(("fish", "-c", FISH, line), self._folder, self._variables)
        words = dict(reply.partition("\t")[::2] for reply in replies)
        start = line.rpartition(" ")[2]
        return {word: text for word, text in words.items() if word.startswith(start)}


class Zsh:
    """Zsh at a terminal; each word that its completion system is given is noted."""

    def __init__(self, folder: Path, variables: dict[str, str], *, scripts: Path) -> None:
        (folder / "home" / "setup").write_text(ZSH)
        variables = {**variables, "COMPLETIONS": str(scripts)}
        self.terminal = Terminal("zsh", "-f", "-i", folder=folder, variables=variables)
        self.terminal.type("source ~/setup\r", until="ready!")

    def offers(self, line: str) -> dict[str, str]:
        """Put back the `--option=` that zsh sets aside; read descriptions off the screen."""
        shown = self.terminal.type(f"{line}\x14", until="\x04")
        kept = re.sub(r"[^=]*$", "", line.rpartition(" ")[2])
        texts = re.findall(r"^(\S[^\x02]*?) +-- (.*?)\s*$", shown, re.MULTILINE)
        by_word = {word: text for words, text in texts for word in words.split()}
        found = re.findall("\x02(.+?)\x03", shown)
        return {kept + word: by_word.get(word, "") for word in found}


def output(command: tuple[str, ...], folder: Path, variables: dict[str, str]) -> list[str]:
    """Run a program that must succeed in silence but for its answer."""
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def write_scripts(tree: CommandNode, folder: Path) -> dict[str, Path]:
    """Write the scripts for a tree into a folder; give the file of each shell."""
    written = {}
    for name, shell in SHELLS.items():
        written[name] = folder / shell.file_name
        written[name].write_text(shell.write(tree), encoding="utf-8")
    return written


_TERM = r"(?:'(?:[^']|'')*'|\[char\]0x[0-9a-f]{4})"
POWERSHELL = rf"{_TERM}(?: \+ {_TERM})*"
"""A string as PowerShell reads it."""


def read_powershell(text: str) -> list[str]:
    """Read the strings of a text by PowerShell's rules for single quotes, `+` and [char]."""
    found = []
    for word in re.findall(POWERSHELL, text):
        units = b"".join(
            bytes.fromhex(code) if code else string.replace("''", "'").encode("utf-16-be")
            for string, code in re.findall(r"'((?:[^']|'')*)'|0x([0-9a-f]{4})", word)
        )
        found.append(units.decode("utf-16-be"))
    return found


REAL_NODES = dict(completion.nodes(completion.read_tree()))

Desk = Bash | Fish | Zsh
DESKS: dict[str, type[Desk]] = {"bash": Bash, "fish": Fish, "zsh": Zsh}


@contextmanager
def sit_down(name: str, place: Place, scripts: Path) -> Iterator[Desk]:
    """Open a shell in which Tab can be pressed, if it is installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    folder, variables = place
    desk = DESKS[name](folder, variables, scripts=scripts)
    try:
        yield desk
    finally:
        if isinstance(desk, Zsh):
            desk.terminal.close()
