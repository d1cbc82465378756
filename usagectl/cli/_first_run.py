"""Own the notice of the first run: what is recorded, that it stays here, how to end it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from usagectl import environment as surroundings
from usagectl.cli import _output

if TYPE_CHECKING:
    from usagectl.environment import Environment

_MARKER = "notice-shown"
_TEXT = (
    "usagectl records its own commands on this machine: the command's name and the names of its "
    "parameters, never a value. Nothing is sent. To see it: usagectl preview usagectl. To turn it "
    "off: usagectl disable usagectl."
)


def tell_once(environment: Environment) -> None:
    """Say it on stderr, once for an account; a CI service is told nothing.

    Where it cannot be noted that it was said, it is not said: it would come again each time.
    """
    folder = environment.state_dir
    if folder is None or os.path.lexists(folder / _MARKER) or surroundings.is_ci(environment):
        return
    try:
        os.close(os.open(folder / _MARKER, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError:  # Another process was faster, or nothing can be written.
        return
    _output.print_notice(_TEXT)
