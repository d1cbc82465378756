"""Trust in the certificate of a run: bundles that hold it too, and variables that name them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine
)
"""Where the system's bundle lies: what Go, OpenSSL and curl read without any variable."""

_WHOLE = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    "NIX_SSL_CERT_FILE",
    "HTTPLIB2_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
"""Variables that replace a program's bundle, so that they name a whole one."""

_ADDED = ("NODE_EXTRA_CA_CERTS", "DENO_CERT")
"""Variables whose certificates are trusted beside a program's own."""

_MOST_BYTES = 4 * 1024 * 1024


class Trust(NamedTuple):
    """What hands the certificate over."""

    files: Mapping[str, str]  # By name: bundles to write.
    mounts: tuple[tuple[str, str], ...]  # The name of a file, and the path that it is put over.
    variables: Mapping[str, str]


def plan(pem: str, variables: Mapping[str, str], *, folder: Path, is_mounted: bool = True) -> Trust:
    """Plan how a command is to trust a certificate; the files will lie in `folder`.

    Where the system's own bundle can be mounted over, the variables name that.

    What the user's own variables name is trusted as before.
    """
    system = [each for each in _BUNDLES if Path(each).is_file()]
    bundle = _read(system[0]) if system else ""
    own = "".join(_read(each) for each in _named(variables))
    whole = f"{bundle}\n{own}\n{pem}"
    place = str(folder / "bundle.pem")
    named = dict.fromkeys(_WHOLE, system[0] if system and is_mounted else place)
    added = dict.fromkeys(_ADDED, str(folder / "added.pem"))
    return Trust(
        {"bundle.pem": whole, "added.pem": f"{own}\n{pem}"},
        tuple(("bundle.pem", os.path.realpath(each)) for each in system),
        {**named, **added},
    )


def _named(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the files that the user's variables name, each once."""
    yield from dict.fromkeys(variables[each] for each in (*_WHOLE, *_ADDED) if variables.get(each))


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
            return stream.read(_MOST_BYTES)
    except OSError:
        return ""
