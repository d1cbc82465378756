"""Tests of parts of the conformance kit: its file, its search, its comparison, its wire."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from usagectl import verify as conformance
from usagectl.verify import Switch, canaries, verdicts
from usagectl.verify.endpoint import ANSWERS, Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MINIMAL = 'command = ["mytool"]\nsends = [["build"]]\noff = [{ DO_NOT_TRACK = "1" }]\n'


def write(folder: Path, text: str) -> Path:
    """Write a description of a tool."""
    file = folder / "mytool.toml"
    file.write_text(f"[conformance]\n{text}")
    return file


def test_the_example_is_a_description(tmp_path: Path) -> None:
    """The example that an error shows can be read, in full."""
    file = tmp_path / "mytool.toml"
    file.write_text(conformance.spec.EXAMPLE)
    spec = conformance.load(file)
    assert spec.command == ("mytool",)
    assert spec.sends == (("build", "--output", "{value}"),)
    assert spec.silent == (("--help",), ("--version",))
    assert spec.off == (Switch({"DO_NOT_TRACK": "1"}), Switch(run=("telemetry", "off")))
    assert spec.folder == tmp_path


def test_a_switch_is_variables_a_command_or_files(tmp_path: Path) -> None:
    """A variable may be called as a word of ours: what it holds tells them apart."""
    text = MINIMAL + 'on = { run = "variable", files = { "~/.rc" = "on" } }\n'
    spec = conformance.load(write(tmp_path, text))
    assert spec.on == Switch({"run": "variable"}, files={"~/.rc": "on"})
    assert spec.on.name == "run=variable, ~/.rc"


def test_an_invalid_key_is_named(tmp_path: Path) -> None:
    """A slip is refused with its key: a check that was left out would pass."""
    for text, key in (
        ("", "command"),
        ('command = ["mytool"]\nsends = [["x"]]\n', "off"),
        (MINIMAL + "sendz = []\n", "sendz"),
        (MINIMAL + 'silent = ["--help"]\n', "silent"),
        (MINIMAL + "delay_seconds = 0\n", "delay_seconds"),
        (MINIMAL + "timeout_seconds = true\n", "timeout_seconds"),
        (MINIMAL + "rounds = 1\n", "rounds"),
        (MINIMAL + "variables = { A = 1 }\n", "variables"),
        (MINIMAL + "on = { A = 1 }\n", "on"),
        (MINIMAL + 'on = "yes"\n', "on"),
        (MINIMAL + "on = { run = [1] }\n", "on"),
        (MINIMAL + "[other]\n", "other"),
        ("command = [", "the file"),
    ):
        with pytest.raises(conformance.SpecInvalidError) as caught:
            conformance.load(write(tmp_path, text))
        assert caught.value.key == key


def hashed(name: str, text: str) -> bytes:
    """Hash a text as tools do."""
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest().encode()


FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "upper": lambda text: text.upper().encode(),
    "within": lambda text: f"/tmp/x-{text}-y/z".encode(),  # noqa: S108  (a text)
    "backwards": lambda text: text[::-1].encode(),
    "percent": lambda text: "".join(f"%{ord(each):02X}" for each in text).encode(),
    "percent-twice": lambda t: quote("".join(f"%{ord(each):02x}" for each in t)).encode(),
    "json": lambda text: "".join(f"\\u{ord(each):04x}" for each in text).encode(),
    "hexadecimal": lambda text: text.encode().hex().upper().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64-1": lambda text: base64.b64encode(b"x" + text.encode() + b"rest"),
    "base64-2": lambda text: base64.b64encode(b"xy" + text.encode() + b"re"),
    "base64-json": lambda text: quote(base64.b64encode(json.dumps([text]).encode())).encode(),
    "gzip": lambda text: gzip.compress(json.dumps({"a": text}).encode()),
    "md5": lambda text: hashed("md5", text),
    "sha256": lambda text: hashed("sha256", text).upper(),
    "sha256-cut": lambda text: hashed("sha256", text)[:12],
    "sha256-base64": lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()),
    "hash-of-path": lambda text: hashed("sha1", f"/home/{text}"),
}


def test_a_value_is_found_in_every_form() -> None:
    """A value is found in what programs make of it, wherever it stands, and no other is."""
    wrong = []
    for form, make in FORMS.items():
        for _ in range(10):
            text, other = canaries.draw(os.urandom), canaries.draw(os.urandom)
            data = make(text) if form == "gzip" else b'{"a":"' + make(text) + b'"}'
            here = canaries.Canary("here", text, (f"/home/{text}",))
            planted = (here, canaries.Canary("no", other))
            if [leak.place for leak in canaries.find(planted, data, where="")] != ["here"]:
                wrong.append((form, text))
    assert wrong == []


def test_every_planted_value_is_looked_for() -> None:
    """What is put into variables and files of a run is what is searched; nothing is forgotten."""
    planted = canaries.plant(os.urandom)
    sought = planted.canaries("/h", "/w")
    assert {each.text for each in sought} == set(planted)
    texts = [*planted.variables.values(), *planted.files.values()]
    for name in set(canaries.Planted._fields) - {"value", "home", "work"}:
        assert any(getattr(planted, name) in text for text in texts), name


def test_outputs_are_compared_but_for_what_differs_by_itself() -> None:
    """What is steady without telemetry has to be the same; JSON keeps its members."""
    for without, found, told in (
        ([b"a\n", b"a\n"], b"a\n", ""),
        ([b"a\n", b"a\n"], b"b\n", "line 1 is 'b' instead of 'a'"),
        ([b"a\n", b"a\n"], b"a\nx\n", "line 2 is 'x' instead of ''"),
        ([b"a\n", b"a\n"], b"", "line 1 is '' instead of 'a'"),
        ([b"", b""], b"\xff", "line 1 is '\ufffd' instead of ''"),
        ([b"t=1\na\n", b"t=2\na\n"], b"t=3\na\n", ""),
        ([b"t=1\na\n", b"t=2\na\n"], b"t=3\nb\n", "line 2 is 'b' instead of 'a'"),
        ([b'{"t": 1}', b'{"t": 2}'], b'{"t": 3}', ""),
        ([b'{"t": 1}', b'{"t": 2}'], b'{"t": 3, "u": 1}', "its JSON has other members"),
        ([b'{"t": 1}', b'{"t": 2}'], b'{"t": 3}x', "it is not JSON any more"),
        ([b'{"t": [1]}', b'{"t":\n[2]}'], b'{"t": [3]}', ""),
    ):
        assert verdicts.difference(without, found) == told
    with pytest.raises(verdicts.IncomparableError):  # They differ in length by themselves.
        verdicts.difference([b"a\n", b"a\nb\n"], b"c")


def test_the_wire_counts_and_keeps_what_is_said() -> None:
    """Each connection counts, with or without a word, and its bytes go on unchanged."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Wire(server.getsockname()[1]) as wire,
    ):
        socket.create_connection(("127.0.0.1", wire.port)).close()
        with socket.create_connection(("127.0.0.1", wire.port)) as client:
            client.sendall(b"hello")
            far, _ = server.accept()
            with far:
                assert far.recv(10) == b"hello"
                far.sendall(b"back")
                assert client.recv(10) == b"back"
        wire.end()
        assert wire.heard == (b"", b"hello")


def test_a_dripping_wire_gives_single_bytes() -> None:
    """A dripping answer comes byte by byte, so that no wait for one byte ever ends it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Wire(server.getsockname()[1], drips=True) as wire,
        socket.create_connection(("127.0.0.1", wire.port)) as client,
    ):
        client.sendall(b"?")
        far, _ = server.accept()
        with far:
            far.sendall(b"abc")
            assert [client.recv(10) for _ in range(3)] == [b"a", b"b", b"c"]


def test_a_wire_without_a_target_refuses() -> None:
    """A port that refuses is held, so that nobody else may listen there meanwhile."""
    with Wire() as wire:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", wire.port), timeout=5)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", wire.port))


@pytest.mark.skipif("drop" not in ANSWERS, reason="a full queue refuses here")
def test_a_wire_that_drops_makes_no_connection() -> None:
    """To who connects it is as if a firewall swallowed every packet."""
    with Wire(drops=True) as wire, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", wire.port), timeout=0.3)
