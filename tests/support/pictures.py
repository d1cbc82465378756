"""Pictures of README: real runs of usagectl on real tools, each drawn as SVG by rich.

`python -m tests.support.pictures` makes all of them anew, `… status verify` two of them (Linux, in
a clone that is not below /tmp). The tools come from the npm and Python indexes, once, into the
cache of the tests of real clients. Each line is typed on a terminal with a /tmp and a home of
its own, which is written as `~`; so nothing of the machine that made a picture is in it.
"""

from __future__ import annotations

import getpass
import io
import os
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from tests.e2e import client_venv
from tests.support.machine import REPOSITORY
from tests.support.terminals import answer_program
from usagectl import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = REPOSITORY / "docs" / "pictures"
_WIDTH = 96
_HOME = Path("/tmp/you")  # noqa: S108  (in a /tmp that nobody else sees)
_INSIDE = "--inside"
_TOOLS = ("next", "turbo", "dvc", "wrangler", "streamlit")
_PROGRAMS = ("node", "env", "sh", "git", "mkdir", "uname")
"""What the tools need; more of the machine's programs would be found, and be in a picture."""

_FONTS = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
"""Fonts that rich has a reader of the picture fetch from a host; the usual ones will do."""

_PRIVATE = re.compile(
    r"(?<![\w~.])/(?:root|home|tmp|Users|usr|var|opt)/|[\w.]+@[\w.]+|\b[0-9a-f]{12,}\b"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-"
)
"""Paths that are not below `~`, addresses of mail, IDs."""

_UP, _ERASE = "\x1b[1A", "\x1b[2K"
_MOVES = re.compile(r"(\n|\r|\x1b\[(?:1A|2K|\?25[lh]))")
"""What rich writes to move on a screen; it erases a line before it writes it again."""

_PAGE = "export default function Page() { return null }\n"
_MYTOOL = """\
#!{python}
import typer
from usagectl import instrument

app = instrument(typer.Typer(), "mytool", version="1.2.0", endpoint="https://example.org/v1")

@app.command()
def build(target: str = "web") -> None: ...

@app.command()
def deploy() -> None: ...

app()
"""


class Picture(NamedTuple):
    """A picture: what it shows in a sentence, and the lines that are typed for it."""

    title: str
    lines: tuple[str, ...]


PICTURES: Mapping[str, Picture] = {
    "status": Picture(
        "What sends here, and which switch decides.", ("DO_NOT_TRACK=1 usagectl status",)
    ),
    "tool": Picture(
        "All that is known of one tool: its switch, what it sends, its ID, its endpoint.",
        ("NEXT_TELEMETRY_DISABLED=0 usagectl status next",),
    ),
    "capture": Picture(
        "What a build tried to send, by host; nothing left the machine.",
        ("usagectl capture --sealed --own registry.npmjs.org -- next build --webpack >build.log",),
    ),
    "disable": Picture(
        "The files that were written, and what they say when they are read back.",
        ("usagectl disable --shell dvc next wrangler",),
    ),
    "verify": Picture(
        "Each switch of a tool, tried on the wire.", ("usagectl verify dvc --quick",)
    ),
    "record": Picture(
        "A tool that records under its user's consent, and the bytes it would send.",
        ("mytool build --target api", "usagectl preview mytool"),
    ),
}


def draw(name: str, folders: list[Path]) -> str:
    """Type the lines of a picture in a fresh home, and draw the screen."""
    from rich.console import Console
    from rich.text import Text

    title, lines = PICTURES[name]
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    variables = _lay(folders)
    for line in lines:
        console.print(Text(f"$ {line}", style="bold green"), soft_wrap=True)
        words = ["sh", "-c", line]
        _, screen = answer_program(words, env=variables, cwd=_HOME / "app", typed=b"")
        text = screen.decode().replace("\r\n", "\n").replace(str(_HOME), "~")
        console.print(Text.from_ansi(left_of(text).rstrip()))
        console.print()
    drawn = console.export_svg(title=lines[-1].partition(" >")[0], unique_id=f"usagectl-{name}")
    head = f'<svg role="img" aria-label="{title}"'
    picture = _FONTS.sub("\n", drawn).replace("<svg", head, 1)
    user = getpass.getuser().replace("root", "")  # A word that a tool may say.
    if told := given_away(words_of(picture), socket.gethostname(), user, str(REPOSITORY)):
        message = f"the picture {name} gives {', '.join(told)} away"
        raise ValueError(message)
    return picture


def left_of(screen: str) -> str:
    """Return what stands on a screen at the end: a bar that is over has been erased."""
    lines, row = [""], 0
    for part in _MOVES.split(screen):
        if part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part == _UP:
            row = max(row - 1, 0)
        elif part == _ERASE:
            lines[row] = ""
        elif not _MOVES.fullmatch(part):
            lines[row] += part
    return "\n".join(lines)


def words_of(picture: str) -> str:
    """Return what is read in a picture, without its drawing; malformed XML raises."""
    root = ET.fromstring(picture)  # noqa: S314  (our own file)
    texts = root.iter("{http://www.w3.org/2000/svg}text")
    return " ".join(" ".join(each.text or "" for each in texts).split())


def given_away(words: str, *names: str) -> list[str]:
    """List what tells on a machine: paths, IDs, addresses, and some names."""
    known = (name for name in names if name and re.search(rf"\b{re.escape(name)}\b", words))
    return [*_PRIVATE.findall(words), *known]


def _lay(folders: list[Path]) -> dict[str, str]:
    """Lay out a home, a project and the programs; return the variables."""
    shutil.rmtree(_HOME, ignore_errors=True)
    app, programs = _HOME / "app", _HOME / "bin"
    for folder in (app / "pages", programs):
        folder.mkdir(parents=True)
    (app / "pages" / "index.js").write_text(_PAGE)
    (app / "package.json").write_text('{"name": "app", "private": true}')
    (app / "node_modules").symlink_to(folders[0].parent)
    for name in _PROGRAMS:
        (programs / name).symlink_to(shutil.which(name) or name)
    for name, text in (
        ("usagectl", '#!/bin/sh\nexec {python} -m usagectl "$@"\n'),
        ("mytool", _MYTOOL),
    ):
        (programs / name).write_text(text.format(python=sys.executable))
        (programs / name).chmod(0o755)
    variables = {
        "PATH": os.pathsep.join(map(str, (programs, *folders))),
        "HOME": str(_HOME),
        "PYTHONPATH": str(REPOSITORY),
        "SHELL": "/bin/bash",
        "TERM": "xterm-256color",
        "COLUMNS": str(_WIDTH),
    }
    usagectl = [str(programs / "usagectl"), "settings"]  # The remark of the first run is over.
    answer_program(usagectl, env=variables, cwd=app, typed=b"")
    return variables


def _install(name: str) -> Path:
    return client_venv.find_or_make_packages(name, catalogue.entry(name).verify.packages)


def main(names: list[str]) -> None:
    """Make pictures anew, below a /tmp that is empty."""
    folders = [_install(name) for name in _TOOLS]
    if names[:1] != [_INSIDE]:
        maps = [] if os.geteuid() == 0 else ["--map-root-user"]
        mounting = 'mount -t tmpfs tmpfs /tmp && exec "$0" "$@"'
        again = [sys.executable, "-m", "tests.support.pictures", _INSIDE, *(names or PICTURES)]
        words = ["unshare", *maps, "--mount", "sh", "-c", mounting, *again]
        os.execvp(words[0], words)  # noqa: S606  (no shell is wanted)
    FOLDER.mkdir(exist_ok=True)
    for name in names[1:]:
        (FOLDER / f"{name}.svg").write_text(draw(name, folders), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
