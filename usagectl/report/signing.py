"""Signatures of a report, made and checked by the user's own ssh-keygen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.errors import FileUnreadableError, StateError, quote
from usagectl.showing import printable_line

if TYPE_CHECKING:
    from usagectl.machine.environment import Environment

NAMESPACE = "usagectl"
"""What the signature is for: one made for commits or mail is none for a report."""

_PROGRAM = "ssh-keygen"


class Signature(NamedTuple):
    """What a check of a report's signature showed.

    Attributes:
        state: `trusted`: it fits, and the file of allowed signers names its key. `unknown-signer`:
            it fits, and who made it was not asked, or is not in that file. `bad`: it does not
            fit. `none`: there is no signature.
        signer: the name of the signer in the file of allowed signers, else the key as
            ssh-keygen tells it.
        how: the way it was checked, for whoever wants to do so by hand.
    """

    state: Literal["trusted", "unknown-signer", "bad", "none"]
    signer: str = ""
    how: str = ""


class SigningFailedError(StateError):
    """The report could not be signed; no file was written."""

    code = "signing-failed"

    def __init__(self, key: Path, *, reason: str) -> None:
        # os.path answers where pathlib raises: a folder that may not be searched.
        way = "-y" if os.path.exists(key) else "-t ed25519"  # noqa: PTH110
        super().__init__(
            f"ssh-keygen did not sign with {key}: {reason}; no file was written.",
            hint=f"ssh-keygen {way} -f {quote(str(key))}",
        )


class SignerMissingError(StateError):
    """OpenSSH's ssh-keygen, which signs and checks, is not here."""

    code = "signer-missing"

    def __init__(self) -> None:
        super().__init__(
            "ssh-keygen, which signs and checks reports, is not on PATH; it comes with OpenSSH.",
            hint="command -v ssh-keygen",
        )


def signature_of(file: Path) -> Path:
    """Name the signature of a report, where ssh-keygen itself would put it."""
    return Path(f"{file}.sig")


def sign(environment: Environment, key: Path, data: bytes) -> bytes:
    """Sign bytes with an SSH key, or with the agent's where KEY is a public one.

    A passphrase is asked for by ssh-keygen itself, on the terminal.

    Raises:
        SignerMissingError: there is no ssh-keygen.
        SigningFailedError: it did not sign.
    """
    done = _run(environment, "sign", "-n", NAMESPACE, "-f", str(key), data=data)
    if done.returncode or not done.stdout:
        raise SigningFailedError(key, reason=_reason(done))
    return done.stdout


def check(environment: Environment, file: Path, *, signers: Path | None = None) -> Signature:
    """Check the signature beside a report; with `signers`, whose it is as well.

    Raises:
        SignerMissingError: there is a signature, and no ssh-keygen.
        FileUnreadableError: there is no file of allowed signers.
    """
    signature = signature_of(file)
    if not signature.is_file():
        return Signature("none")
    if signers is not None and not signers.is_file():
        raise FileUnreadableError(signers, reason="there is no such file")
    data = file.read_bytes()
    told = ("-n", NAMESPACE, "-s", str(signature))
    fits = _run(environment, "check-novalidate", *told, data=data)
    if fits.returncode:
        return Signature("bad", how="ssh-keygen -Y check-novalidate")
    key = re.sub(r'^Good "[^"]*" signature with ', "", _reason(fits))
    if signers is None:
        return Signature("unknown-signer", key, "ssh-keygen -Y check-novalidate")
    asked = ("-s", str(signature), "-f", str(signers))
    named = _run(environment, "find-principals", *asked, data=data)
    for who in named.stdout.decode(errors="replace").splitlines():
        ours = ("-I", who, "-f", str(signers), *told)
        if not _run(environment, "verify", *ours, data=data).returncode:
            return Signature("trusted", printable_line(who), "ssh-keygen -Y verify")
    return Signature("unknown-signer", key, "ssh-keygen -Y find-principals")


def _run(
    environment: Environment, what: str, *words: str, data: bytes
) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which(_PROGRAM, path=environment.variables.get("PATH", ""))
    if program is None:
        raise SignerMissingError
    return subprocess.run(  # noqa: S603  (the user's own ssh-keygen; no shell reads the words)
        [program, "-Y", what, *words],
        input=data,
        capture_output=True,
        check=False,
        cwd=environment.cwd,
        env=dict(environment.variables),
    )


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the last line that ssh-keygen said, without its end."""
    said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace").splitlines()
    return printable_line(said[-1]).rstrip(".") if said else f"status {done.returncode}"
