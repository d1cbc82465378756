"""Tests of trust in the certificate of a sealed run: that of programs in Java, and their stores."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import sealing
from tests.support.machine import REPOSITORY
from tests.support.sealing import seal
from usagectl.capture import trust
from usagectl.capture.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has namespaces")

POST = ("java", "-XX:-UsePerfData", str(REPOSITORY / "tests/samples/Post.java"))
"""Without a file in /tmp by the number of the process, which runs at once have in common."""

ANSWER = '{"track_events": true}\n'


@functools.cache
def _require_compiler() -> None:
    """Skip a test without a Java that runs a source file; CI installs none, since that is slow."""
    java = shutil.which("java")
    listed = (
        subprocess.run([java, "--list-modules"], capture_output=True, check=False) if java else None
    )
    if listed is None or b"jdk.compiler" not in listed.stdout:
        pytest.skip("no JDK of Java 11 or later is here, and CI installs none: that is slow")


def test_both_clients_of_java_are_recorded_whole(machine: Machine) -> None:
    """They trust the certificate, and nothing is written to their output for it."""
    _require_compiler()
    found = seal(machine, "--reveal", "--", *POST)
    assert [(host, path, body) for host, _, _, path, body in found.requests] == [
        ("telemetry.example.test", "/old", '{"client": "HttpsURLConnection"}'),
        ("telemetry.example.test", "/new", '{"client": "HttpClient"}'),
    ], found.outcome.stderr
    assert found.outcome.stdout == ANSWER * 2
    assert found.outcome.stderr.startswith("java sent 2 requests")


def test_java_of_an_ordinary_user_is_recorded() -> None:
    """As a user without any right, who may not write the system's stores."""
    _require_compiler()
    sealing.require()
    words = [sealing.nobody(), "-m", "usagectl", "capture", "--sealed", "--", *POST]
    found = sealing.as_nobody(words, TMPDIR="/tmp")  # noqa: S108
    assert (found.returncode, found.stdout.decode()) == (0, ANSWER * 2), found.stderr.decode()
    assert found.stderr.startswith(b"java sent 2 requests to telemetry.example.test")


def test_keytool_reads_the_store_in_place_of_the_systems(machine: Machine) -> None:
    """With the password that every store has, for which Java checks the sum, and without any."""
    if not shutil.which("keytool"):
        pytest.skip("no Java is here, and CI installs none: that is slow")
    wrong = {}
    for password in ("changeit", ""):
        words = ("keytool", "-J-Duser.language=en", "-list", "-cacerts")
        found = seal(machine, "--", *words, *(("-storepass", password) if password else ()))
        if "contains 1 entry" not in found.outcome.stdout:
            wrong[password] = found.outcome
    assert wrong == {}


def test_each_store_of_java_is_mounted_over_once(tmp_path: Path) -> None:
    """That of JAVA_HOME, of a Java 8 in it, and beside the `java` that PATH leads to by a link."""
    stores = [
        tmp_path / "home/jre/lib/security/cacerts",
        tmp_path / "found/lib/security/cacerts",
        tmp_path / "found/lib/security/jssecacerts",
    ]
    for each in stores:
        each.parent.mkdir(parents=True, exist_ok=True)
        each.touch()
    (tmp_path / "home/lib/security").mkdir(parents=True)
    (tmp_path / "home/lib/security/cacerts").symlink_to(stores[0])
    java = tmp_path / "found/bin/java"
    java.parent.mkdir()
    java.touch(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").symlink_to(java)
    variables = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin")}
    pem = Authority().pem.decode()
    planned = trust.plan(pem, variables, folder=tmp_path)
    mounted = [each for name, each in planned.mounts if name == "cacerts"]
    assert sorted(each for each in mounted if each.startswith(str(tmp_path))) == sorted(
        map(str, stores)
    )
    assert len(mounted) == len(set(mounted))
    assert planned.files["cacerts"].encode("utf-8", "surrogateescape") == store_of(pem)


def store_of(pem: str) -> bytes:
    """Return what keytool writes for a certificate that it is told to trust, in 1970."""
    certificate = ssl.PEM_cert_to_DER_cert(pem)
    head = bytes.fromhex("feedfeed 00000002 00000001 00000002 0008") + b"usagectl"
    body = head + bytes(8) + b"\0\5X.509" + len(certificate).to_bytes(4) + certificate
    keyed = "changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body
    return body + hashlib.sha1(keyed, usedforsecurity=False).digest()


def test_no_store_is_written_where_none_can_be_put(tmp_path: Path) -> None:
    """A proxy mounts nothing; JAVA_HOME may be empty, a place that is not there, or forbidden."""
    pem = Authority().pem.decode()
    (tmp_path / "closed").mkdir(0)
    homes = ("", str(tmp_path / "none"), str(tmp_path / "closed"), os.devnull)
    for home in homes:
        planned = trust.plan(pem, {"JAVA_HOME": home, "PATH": ""}, folder=tmp_path)
        assert [each for _, each in planned.mounts if each.startswith(str(tmp_path))] == []
    given = {"JAVA_HOME": str(tmp_path)}
    assert set(trust.plan(pem, given, folder=tmp_path, is_mounted=False).files) == {
        "bundle.pem",
        "added.pem",
    }
