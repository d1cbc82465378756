"""Tests of the canaries: a value is found in whatever form, wherever it was sent."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from usagectl.capture import Captured
from usagectl.capture.observations import Observation
from usagectl.verify import canaries
from usagectl.verify.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_every_part_of_what_was_sent_is_searched() -> None:
    """A value is found in path, header, body, name of a host; what cannot be read is counted."""
    texts = [canaries.draw(os.urandom) for _ in range(5)]
    planted = tuple(canaries.Canary(text, text) for text in texts)
    path, header, body, name, host = texts
    request = Captured(
        "unparsed", body.encode(), "", "GET", f"/{path}", {"x": header}, "1", host=f"{host}.example"
    )
    broken = request._replace(headers={"content-encoding": "gzip"}, problem="broken")
    refused = Observation("tls-refused", "x.example", "198.18.0.1", 443)
    look_up = Observation("look-up", f"{name}.example")
    traffic = Traffic((request, broken), ((refused, 2), (look_up, 1)))
    found, unreadable = canaries.search(traffic, planted, None)
    assert {leak.place: leak.where for leak in found} == {
        path: "the address",
        host: "the address",
        header: "the header x",
        body: f"the body of GET /{path}",
        name: "a name of a host",
    }
    assert unreadable == 3
