"""Runs of `usagectl capture --sealed`, with what came in: requests, look-ups, connections."""

from __future__ import annotations

import base64
import functools
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support.machine import REPOSITORY
from usagectl.capture import namespace
from usagectl.capture.certificates import Authority
from usagectl.events import record
from usagectl.machine import environment

if TYPE_CHECKING:
    from tests.support.machine import Machine, Outcome


@functools.cache
def _reason() -> str:
    """Return why this system cannot seal a run, found out by trying; empty if it can."""
    with tempfile.TemporaryDirectory(prefix="usagectl-seal-", ignore_cleanup_errors=True) as name:
        given = environment.from_process()
        try:
            pem = Authority().pem
            with namespace.Namespace(Path(name), authority_pem=pem, environment=given):
                return ""
        except namespace.SealUnavailableError as error:
            return str(error)


def require() -> None:
    """Skip a test where this system refuses namespaces; in CI that is a failure."""
    if reason := _reason():
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)


def has_redirect() -> bool:
    """True if nft is here, so that every port is recorded."""
    return shutil.which("nft") is not None


class Sealed(NamedTuple):
    """A sealed run that is over."""

    outcome: Outcome
    data: dict[str, Any]
    file: Path

    @property
    def requests(self) -> list[tuple[str, int, str, str, str]]:
        """Host, port, method, path and body of each request, in the order in which they came."""
        found = []
        for line in self.file.read_bytes().splitlines():
            known = json.loads(line)
            if "method" in known:
                place = known["host"], known["port"], known["method"], known["path"]
                found.append((*place, _body_of(line)))
        return found

    def observed(self, kind: str) -> list[tuple[str, int, str]]:
        """Host, port and detail of each observation of a kind, oldest first."""
        lines = map(json.loads, self.file.read_bytes().splitlines())
        return [
            (each["host"], each["port"], each["detail"])
            for each in lines
            if each.get("observed") == kind
        ]


def _body_of(line: bytes) -> str:
    """Return the bytes of a line's event, or the body that held none."""
    known = json.loads(line)
    _, key, event = line.partition(record.EVENT_KEY)
    coded = known.get("raw" if key else "body")
    return (base64.b64decode(coded) if coded else event.removesuffix(b"}")).decode()


def seal(machine: Machine, *words: str, **variables: str) -> Sealed:
    """Run `capture --sealed` with words that begin with its options, without any proxy."""
    require()
    folder = Path(tempfile.mkdtemp(dir=machine.folder))
    files = ("--output", str(folder / "out.jsonl"), "--summary", str(folder / "sum.json"))
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "")
    outcome = machine.run("capture", "--sealed", *files, *words, variables=proxies | variables)
    summary = folder / "sum.json"
    data = json.loads(summary.read_text()) if summary.exists() else {}
    return Sealed(outcome, data.get("data") or {}, folder / "out.jsonl")


def run_shell(machine: Machine, line: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell that captures, in a machine that has no proxy."""
    return subprocess.run(
        [*before, "sh", "-c", line],
        env=machine.process_variables() | {"HTTP_PROXY": "", "HTTPS_PROXY": ""},
        cwd=machine.cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@functools.cache
def nobody() -> str:
    """Return an interpreter that an unprivileged user can start, with what usagectl needs."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    # The libraries are this version's: another one would load them by halves.
    version = tuple(sys.version_info[:2])
    check = f"import sys, usagectl.capture.sealed; sys.exit(sys.version_info[:2] != {version})"
    for each in (sys.executable, "/usr/bin/python3"):
        with suppress(PermissionError):
            if as_nobody([each, "-c", check]).returncode == 0:
                return each
    pytest.skip("no interpreter with usagectl is reachable for an unprivileged user")


def as_nobody(words: list[str], **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run words as a user without any right, who finds usagectl."""
    account = pwd.getpwnam("nobody")
    paths = [str(REPOSITORY), *(each for each in sys.path if each.endswith("site-packages"))]
    return subprocess.run(
        words,
        env={"PATH": "/usr/bin:/bin", "HOME": "/", "PYTHONPATH": ":".join(paths), **variables},
        cwd="/",
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        capture_output=True,
        timeout=60,
        check=False,
    )
