"""Own how a program is run on a terminal, and what that shows is read."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def on_terminal(
    words: Sequence[str], *, env: Mapping[str, str], cwd: Path, is_whole: bool = False
) -> tuple[str, str]:
    """Run a program whose stderr is a terminal; give stdout and what the terminal shows.

    With `is_whole`, stdin and stdout are that terminal too.
    """
    ours, theirs = pty.openpty()
    done = subprocess.run(
        words,
        env=dict(env),
        cwd=cwd,
        stdin=theirs if is_whole else subprocess.DEVNULL,
        stdout=theirs if is_whole else subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # Linux answers so when the other end is closed.
        pass
    os.close(ours)
    return (done.stdout or b"").decode(), shown.decode()
