"""Processes behind walls: files that may not be written, a full disk, an account without home.

Tests may run as root, whom no file mode stops. Such a process first gives up every
capability, or runs in a mount namespace of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.machine import Machine

STRANGER = 54321
"""A user ID without an account."""

_POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
_STRANGE = (
    *("setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"),
    # The interpreter may lie in root's own home: reading goes on, writing does not.
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" "$0" && exec "$@"'
_FULL = """
mkdir "$0.before" "$0.after" && cp -a "$0/." "$0.before" || exit 99
mount -t tmpfs -o size=256k tmpfs "$0" && cp -a "$0.before/." "$0" || exit 99
cat /dev/zero > "$0/filler" 2> /dev/null
cd "$0/work" && "$@"
status=$?
rm "$0/filler"
cp -a "$0/." "$0.after" || exit 99
exit $status
"""


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


@cache
def _works(*prefix: str) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def powerless() -> tuple[str, ...]:
    """Return the words before a command that file modes stop."""
    if sys.platform == "win32":
        pytest.skip("file modes stop nobody on Windows")
    if not _is_root():
        return ()
    if not _works(*_POWERLESS):
        pytest.skip("root cannot give up its capabilities here (setpriv)")
    return _POWERLESS


def without_account() -> tuple[str, ...]:
    """Return the words before a command that runs as a user without an account."""
    if not _is_root():
        pytest.skip("only root can become a user that does not exist")
    if not _works(*_STRANGE, sys.executable, "-c", "pass"):
        pytest.skip("root cannot become another user here (setpriv)")
    return _STRANGE


def _namespace() -> tuple[str, ...]:
    for prefix in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        if _works(*prefix, "sh", "-c", "mount -t tmpfs tmpfs /tmp"):
            return prefix
    pytest.skip("no mount namespace can be made here (unshare)")


def read_only(machine: Machine) -> tuple[str, ...]:
    """Return the words before a command for which the whole machine is read-only."""
    return (*_namespace(), "sh", "-c", _READ_ONLY, str(machine.folder))


def full_disk(machine: Machine) -> tuple[str, ...]:
    """Return the words before a command for which the machine lies on a full, small disk.

    A copy of the disk afterwards lies beside the machine's folder, under `.after`.
    """
    return (*_namespace(), "sh", "-c", _FULL, str(machine.folder))


def run_behind(
    wall: Sequence[str],
    machine: Machine,
    *arguments: str,
    variables: Mapping[str, str | None] | None = None,
) -> Outcome:
    """Run the command line behind a wall; a variable that is None is removed."""
    changed = {**machine.process_variables(), **(variables or {})}
    done = subprocess.run(
        [*wall, sys.executable, "-m", "usagectl", *arguments],
        env={name: value for name, value in changed.items() if value is not None},
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
