"""Trust in the certificate of a run: bundles that hold it too, and variables that name them.

A Java program has a store of its own, which another one is mounted over: the variable that would
name it, JAVA_TOOL_OPTIONS, has the JVM write a line to the command's stderr.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import struct
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

_JAVA_STORES = ("/etc/ssl/certs/java", "/etc/pki/java")  # Debian, Arch, Alpine; Fedora, RHEL
_JAVA_HOMES = "/usr/lib/jvm"
_JAVA_PASSWORD = "changeit"  # noqa: S105  (that of every `cacerts`, and no secret)
_JKS_SALT = b"Mighty Aphrodite"

_MOST_BYTES = 4 * 1024 * 1024


class Trust(NamedTuple):
    """What hands the certificate over."""

    files: Mapping[str, str]  # By name: bundles to write, with bytes as `surrogateescape` has them.
    mounts: tuple[tuple[str, str], ...]  # The name of a file, and the path that it is put over.
    variables: Mapping[str, str]


def plan(pem: str, variables: Mapping[str, str], *, folder: Path, is_mounted: bool = True) -> Trust:
    """Plan how a command is to trust a certificate; the files will lie in `folder`.

    Where the system's own bundle can be mounted over, the variables name that, and programs in
    Java trust the certificate too.

    What the user's own variables name is trusted as before.
    """
    system = [each for each in _BUNDLES if Path(each).is_file()]
    bundle = _read(system[0]) if system else ""
    own = "".join(_read(each) for each in _named(variables))
    whole = f"{bundle}\n{own}\n{pem}"
    place = str(folder / "bundle.pem")
    named = dict.fromkeys(_WHOLE, system[0] if system and is_mounted else place)
    added = dict.fromkeys(_ADDED, str(folder / "added.pem"))
    files = {"bundle.pem": whole, "added.pem": f"{own}\n{pem}"}
    mounts = [("bundle.pem", os.path.realpath(each)) for each in system]
    if is_mounted and (stores := _java_stores(variables)):
        files["cacerts"] = _java_store(pem).decode("utf-8", "surrogateescape")
        mounts += [("cacerts", each) for each in stores]
    return Trust(files, tuple(mounts), {**named, **added})


def _named(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the files that the user's variables name, each once."""
    yield from dict.fromkeys(variables[each] for each in (*_WHOLE, *_ADDED) if variables.get(each))


def _java_stores(variables: Mapping[str, str]) -> list[str]:
    """List the trust stores of Java here, each once.

    Where there is a `jssecacerts`, it is read in place of `cacerts`. A Java 8 that has a compiler
    keeps both below `jre`.
    """
    program = shutil.which("java", path=variables.get("PATH", os.defpath))
    homes = [Path(program).resolve().parent.parent] if program else []
    homes += [Path(home)] if (home := variables.get("JAVA_HOME")) else []
    homes += Path(_JAVA_HOMES).glob("*")
    below = [each / lib for each in homes for lib in ("lib/security", "jre/lib/security")]
    names = ("cacerts", "jssecacerts")
    paths = [each / name for each in (*map(Path, _JAVA_STORES), *below) for name in names]
    there = [each for each in paths if os.path.isfile(each)]  # noqa: PTH113  (never raises)
    return list(dict.fromkeys(map(os.path.realpath, there)))


def _java_store(pem: str) -> bytes:
    """Build a JKS store that trusts a certificate alone: in a sealed run nobody else answers.

    Every Java reads it since 1.2, and checks the sum only if it is told the password. The form is
    that of `engineStore` in OpenJDK's sun.security.provider.JavaKeyStore.
    """
    certificate = ssl.PEM_cert_to_DER_cert(pem)
    head = (0xFEEDFEED, 2, 1)  # Magic number, version, number of entries.
    entry = (2, 8, b"usagectl", 0, 5, b"X.509", len(certificate))  # Trusted; name, date, kind.
    body = struct.pack(">LLL LH8sQH5sL", *head, *entry) + certificate
    keyed = _JAVA_PASSWORD.encode("utf-16-be") + _JKS_SALT + body
    return body + hashlib.sha1(keyed, usedforsecurity=False).digest()


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
            return stream.read(_MOST_BYTES)
    except OSError:
        return ""
