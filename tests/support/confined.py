"""Processes behind walls: files that may not be written, a full disk, an account without home.

The tests may run as root, for whom a mode is no wall. Then the process gives
up every capability first, or runs in a mount namespace of its own.
"""

from __future__ import annotations

import json
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
"""A user ID that no account has."""

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
    """Return the words before a command for which a file's mode is a wall."""
    if sys.platform == "win32":
        pytest.skip("modes are no walls on Windows")
    if not _is_root():
        return ()
    if not _works(*_POWERLESS):
        pytest.skip("root cannot give up its capabilities here (setpriv)")
    return _POWERLESS


def without_account() -> tuple[str, ...]:
    """Return the words before a command that runs it as a user without an account."""
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
    """Return the words before a command that sees the whole machine mounted read-only."""
    return (*_namespace(), "sh", "-c", _READ_ONLY, str(machine.folder))


def full_disk(machine: Machine) -> tuple[str, ...]:
    """Return the words before a command that sees the machine on a small disk without a free byte.

    What the disk holds afterwards lies beside the machine's folder, under `.after`.
    """
    return (*_namespace(), "sh", "-c", _FULL, str(machine.folder))


def run_behind(
    wall: Sequence[str],
    machine: Machine,
    *arguments: str,
    variables: Mapping[str, str | None] | None = None,
) -> Outcome:
    """Run one command line behind a wall; a variable that is None is taken away."""
    line = " ".join(arguments)
    return run_all_behind(wall, machine, [line], variables=variables)[line]


# Runs each command line in a fork of its own, so that all of them together import once.
_DRIVER = """
import json, os, sys
from usagectl.cli import main

def answer(words):
    out, err = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.dup2(out[1], 1), os.dup2(err[1], 2)
        for end in (*out, *err):
            os.close(end)
        status = main(words)
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)
    os.close(out[1]), os.close(err[1])
    texts = [os.fdopen(end[0], "rb").read().decode() for end in (out, err)]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), *texts]

print(json.dumps([answer(line.split()) for line in json.loads(sys.argv[1])]))
"""


def run_all_behind(
    wall: Sequence[str],
    machine: Machine,
    lines: Sequence[str],
    *,
    variables: Mapping[str, str | None] | None = None,
) -> dict[str, Outcome]:
    """Run command lines one after another behind one wall; give what became of each."""
    changed = {**machine.process_variables(), **(variables or {})}
    done = subprocess.run(
        [*wall, sys.executable, "-P", "-c", _DRIVER, json.dumps(lines)],
        env={name: value for name, value in changed.items() if value is not None},
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answers = json.loads(done.stdout)
    return {line: Outcome(*answer) for line, answer in zip(lines, answers, strict=True)}
