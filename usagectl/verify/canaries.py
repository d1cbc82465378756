"""Canaries: texts that must not be sent, their places, and the search for them.

Each is drawn at random and stands in one place alone, so that a text which is found names
its place. The search knows what programs make of a text: upper case, base64, hexadecimal,
percent signs, JSON escapes, hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from usagectl.capture.decoding import UndecodableError, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from usagectl.capture import Captured
    from usagectl.verify.traffic import Traffic

_LETTERS = "abcdefghijkmnop"
_LENGTH = 14
_HASHES = ("md5", "sha1", "sha256", "sha512")
_HASH_DIGITS = 12
"""LocalStack's clients cut a digest to this many; shorter ones are found by chance."""

_SHORTEST_HASHED = 3
_MOST_BYTES = 32 * 1024 * 1024
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_COMPRESSED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")

_OF_MACHINE = {
    "UC402": "a secret of this environment",
    "UC403": "the user's real name",
    "UC404": "the host's real name",
    "UC405": "the real home folder",
    "UC406": "the system's machine ID",
}


class Canary(NamedTuple):
    """A text that must not be sent, and its place."""

    place: str  # The place in a few words: `the folder's name`.
    text: str
    whole: tuple[str, ...] = ()  # Longer texts there that may be hashed, such as the path.


class Leak(NamedTuple):
    """A canary that was sent: its place, its form, and where it was found."""

    place: str
    form: str
    where: str


def draw(entropy: Callable[[int], bytes]) -> str:
    """Draw a text of small letters, which no text encoding changes."""
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in entropy(_LENGTH))


def find(canaries: tuple[Canary, ...], data: bytes, *, where: str) -> Iterator[Leak]:
    """Find every canary in bytes, in any form; each is reported once."""
    looks = list(_readings(data[:_MOST_BYTES]))
    for canary in canaries:
        for form, needle in _forms(canary):
            if any(needle in look for look in looks):
                yield Leak(canary.place, form, where)
                break


def _readings(data: bytes) -> Iterator[bytes]:
    """Yield the bytes as they are and decoded, each in small letters too."""
    for each in (data, *_inflated(data)):
        escaped = _ESCAPE.sub(_unescape, each).replace(b"\\/", b"/")
        for reading in dict.fromkeys(
            (each, escaped, unquote_to_bytes(escaped), unquote_to_bytes(unquote_to_bytes(escaped)))
        ):
            yield reading
            yield reading.lower()


def _unescape(match: re.Match[bytes]) -> bytes:
    return chr(int(match[1], 16)).encode("utf-8", "surrogatepass")


def _inflated(data: bytes) -> Iterator[bytes]:
    """Decompress what no header calls compressed, as some browsers' libraries send it."""
    if data.startswith(_COMPRESSED):
        with suppress(zlib.error):
            yield zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(data, _MOST_BYTES)


def _forms(canary: Canary) -> Iterator[tuple[str, bytes]]:
    text = canary.text.encode()
    yield "as it is", text.lower()
    yield "backwards", text[::-1].lower()
    yield "in hexadecimal", text.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + text).rstrip(b"=")
        # The first characters and the last one hold bits of the neighbours.
        cut = coded[(0, 2, 3)[shift] : -1]
        yield "in base64", cut
        yield "in base64", cut.replace(b"+", b"-").replace(b"/", b"_")
    for whole in (canary.text, *canary.whole):
        if len(whole) >= _SHORTEST_HASHED:
            yield from _hashes(whole)


def _hashes(whole: str) -> Iterator[tuple[str, bytes]]:
    for name in _HASHES:
        digest = hashlib.new(name, whole.encode(), usedforsecurity=False).digest()
        yield f"as its {name} hash", digest.hex()[:_HASH_DIGITS].encode()
        yield f"as its {name} hash", base64.b64encode(digest)[:_HASH_DIGITS]


class Planted(NamedTuple):
    """The canaries of one verification, and the variables and files that hold them."""

    value: str
    user: str
    home: str
    work: str
    host: str
    note: str
    token: str
    login: str
    mail: str
    remote: str
    source: str

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that hold canaries."""
        return {
            **dict.fromkeys(("USER", "LOGNAME", "USERNAME"), self.user),
            **dict.fromkeys(("HOSTNAME", "COMPUTERNAME"), self.host),
            "VERIFY_NOTE": self.note,
            "GITHUB_TOKEN": f"ghp_{self.token:x<36}",
            "AWS_SECRET_ACCESS_KEY": self.token,
            "DATABASE_URL": f"postgres://someone:{self.login}@127.0.0.1:9/some",
        }

    @property
    def files(self) -> Mapping[str, str]:
        """The files that hold canaries: a git repository, and the user's git settings."""
        mail = f"{self.mail}@example.org"
        return {
            "~/.gitconfig": f"[user]\n\tname = {self.user}\n\temail = {mail}\n",
            ".git/HEAD": f"ref: refs/heads/{self.source}\n",
            ".git/config": "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
            f'[remote "origin"]\n\turl = {self.remote_url}\n',
            ".git/objects/info/packs": "",
            ".git/refs/heads/.keep": "",
        }

    @property
    def remote_url(self) -> str:
        """The address of the repository's origin."""
        return f"git@example.org:{self.remote}/some.git"

    def canaries(self, home: str, work: str) -> tuple[Canary, ...]:
        """List the canaries with their places."""
        note, token = "the variable VERIFY_NOTE", "a token in a variable"
        return (
            Canary("what was typed for {value}", self.value),
            Canary("the user's name", self.user),
            Canary("the home folder", self.home, (home,)),
            Canary("the working folder", self.work, (work,)),
            Canary("the host's name", self.host),
            Canary(note, self.note),
            Canary(token, self.token, (f"ghp_{self.token:x<36}",)),
            Canary("a password in the variable DATABASE_URL", self.login),
            Canary("git's user.email", self.mail, (f"{self.mail}@example.org",)),
            Canary("git's origin", self.remote, (self.remote_url,)),
            Canary("git's branch", self.source),
        )


def plant(entropy: Callable[[int], bytes]) -> Planted:
    """Draw the canaries of one verification."""
    return Planted(*(draw(entropy) for _ in Planted._fields))


def search(
    traffic: Traffic, planted: tuple[Canary, ...], machine: re.Pattern[str] | None
) -> tuple[list[Leak], int]:
    """Search every part of every request, and every name that was asked for.

    Returns what was found, once for each place, and how many messages cannot be searched.
    `machine` finds values of this machine, with a group for each rule of the audit.
    """
    unreadable = 0
    found: dict[Leak, None] = {}
    for each in traffic.captured:
        try:
            parts = list(_parts(each))
        except UndecodableError:
            unreadable += 1
            continue
        for where, data in parts:
            found |= dict.fromkeys(find(planted, data, where=where))
            found |= dict.fromkeys(_of_machine(machine, data, where))
    for observed, count in traffic.observed:
        found |= dict.fromkeys(find(planted, observed.host.encode(), where="a name of a host"))
        unreadable += count if observed.kind == "tls-refused" else 0
    return list(found), unreadable


def _parts(request: Captured) -> Iterator[tuple[str, bytes]]:
    """Yield the parts of a request.

    Raises:
        UndecodableError: the coding of its body is unknown or broken.
    """
    path = request.path.partition("?")[0]
    yield "the address", f"{request.host}{request.path}".encode()
    for name, value in request.headers.items():
        yield f"the header {name}", f"{name}: {value}".encode()
    body = request.body
    if request.problem:  # It was kept with its coding.
        body = decode(body, request.headers.get("content-encoding", ""))
    yield f"the body of {request.method} {path}", body


def _of_machine(machine: re.Pattern[str] | None, data: bytes, where: str) -> Iterator[Leak]:
    if machine is None:
        return
    for match in machine.finditer(data.decode("utf-8", "replace")):
        place = _OF_MACHINE.get(match.lastgroup or "")
        if place:
            yield Leak(place, "as it is", where)
