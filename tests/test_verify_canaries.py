"""Tests of the canaries: a value is found in whatever form, wherever it was sent."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from usagectl.capture import Captured
from usagectl.capture.observations import Observation, Seen
from usagectl.capture.traffic import Traffic
from usagectl.events.reading import BESIDE
from usagectl.verify import canaries

if TYPE_CHECKING:
    from collections.abc import Callable


def hashed(name: str, text: str) -> bytes:
    """Hash a text as tools do."""
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest().encode()


FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "upper": lambda text: text.upper().encode(),
    "within": lambda text: f"/tmp/x-{text}-y/z".encode(),  # noqa: S108  (a text)
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


def request(body: bytes) -> Captured:
    """Make a request as a recorder kept it."""
    return Captured("unparsed", body, "", "GET", "/p", {}, "1")


def test_a_value_is_found_in_every_form() -> None:
    """A value is found in what programs make of it, wherever it stands, and no other is."""
    wrong = []
    for form, make in FORMS.items():
        for _ in range(10):
            planted = canaries.plant(os.urandom)
            text = planted["home"]
            data = make(text) if form == "gzip" else b'{"a":"' + make(text) + b'"}'
            traffic = Traffic((request(data),))
            found, _ = canaries.search(traffic, planted, {"home": f"/home/{text}"})
            if [line.partition(",")[0] for line in found] != ["the home folder"]:
                wrong.append((form, text, found))
    assert wrong == []


def test_every_planted_value_stands_somewhere() -> None:
    """What is searched is put into variables and files of a run, each into its own."""
    planted = canaries.plant(os.urandom)
    assert len(set(planted.values())) == len(planted) == len(canaries.PLACES)
    held = [canaries.filled(each, planted) for each in (canaries.VARIABLES, canaries.FILES)]
    texts = [text for each in held for text in each.values()]
    for name in set(canaries.PLACES) - {"value", "home", "work"}:
        assert any(planted[name] in text for text in texts), name


def test_every_part_of_what_was_sent_is_searched() -> None:
    """A value is found in path, header, body, name of a host; what cannot be read is counted."""
    planted = canaries.plant(os.urandom)
    kept = request(planted["value"].encode())._replace(
        path=f"/{planted['user']}?x", headers={"x": planted["host"]}, host=planted["mail"]
    )
    broken = request(b"x")._replace(headers={"content-encoding": "gzip"}, problem="broken")
    refused = Observation("tls-refused", "x.example", "198.18.0.1", 443)
    look_up = Observation("look-up", f"{planted['branch']}.example")
    now = datetime.now(UTC)
    traffic = Traffic((kept, broken), (Seen(refused, 2, now), Seen(look_up, 1, now)))
    found, unreadable = canaries.search(traffic, planted, {})
    body = f"the body of GET /{planted['user']}"
    assert set(found) == {
        "the user's name, as it is, in the address",
        "git's user.email, as it is, in the address",
        "the host's name, as it is, in the header x",
        f"what was typed for {{value}}, as it is, in {body}",
        "git's branch, as it is, in a name of a host",
    }
    assert unreadable == 3


def test_what_stands_beside_events_is_searched_as_it_was_kept() -> None:
    """It was cut out of the decoded body, so the header's coding is off already."""
    planted = canaries.plant(os.urandom)
    beside = request(planted["value"].encode())._replace(
        headers={"content-encoding": "gzip"}, problem=BESIDE
    )
    found, unreadable = canaries.search(Traffic((beside,)), planted, {})
    assert (len(found), unreadable) == (1, 0)
