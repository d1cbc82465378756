"""Own the texts that must not be sent, where they are put, and the search for them.

Each is drawn at random and stands in one place alone, so that a text which is found
names the place it came from. They are looked for as they are, and as what programs
make of them: upper case, base64, hexadecimal, percent signs, JSON escapes, hashes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import zlib
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LETTERS = "abcdefghijkmnop"
_LENGTH = 14
_HASHES = ("md5", "sha1", "sha256", "sha512")
_HASH_DIGITS = 12
"""LocalStack's clients cut a digest to this many; a shorter one is found by chance."""

_SHORTEST_HASHED = 3
_MOST_BYTES = 32 * 1024 * 1024
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_GZIP_OR_ZLIB = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


class Canary(NamedTuple):
    """Hold a text that must not be sent, and where it stands.

    Attributes:
        place: where, in a few words: `the folder's name`.
        text: the text.
        whole: what else a hash is made of there, such as the whole path.
    """

    place: str
    text: str
    whole: tuple[str, ...] = ()


class Leak(NamedTuple):
    """Hold where a canary was found again, and as what."""

    place: str
    form: str
    where: str


def draw(entropy: Callable[[int], bytes]) -> str:
    """Draw a text of small letters, which no encoding of texts changes."""
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in entropy(_LENGTH))


def find(canaries: tuple[Canary, ...], data: bytes, *, where: str) -> Iterator[Leak]:
    """Look for every canary in bytes, in every form; each form of one is told once."""
    looks = list(_readings(data[:_MOST_BYTES]))
    for canary in canaries:
        for form, needle in _forms(canary):
            if any(needle in look for look in looks):
                yield Leak(canary.place, form, where)
                break


def _readings(data: bytes) -> Iterator[bytes]:
    """Give the bytes as they are and as they read decoded, each in small letters too."""
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
    """Take off a compression that no header tells of, as some browsers' libraries send it."""
    if not data.startswith(_GZIP_OR_ZLIB):
        return
    try:
        yield zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(data, _MOST_BYTES)
    except (zlib.error, gzip.BadGzipFile):
        return


def _forms(canary: Canary) -> Iterator[tuple[str, bytes]]:
    text = canary.text.encode()
    yield "as it is", text.lower()
    yield "backwards", text[::-1].lower()
    yield "in hexadecimal", text.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + text).rstrip(b"=")
        # The first characters and the last one hold bits of what stands beside it.
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
    """Hold the canaries of one kit, and the variables and files that hold them.

    Attributes:
        value: what `{value}` stands for.
        user: the user's name.
        home: the name of the home folder.
        work: the name of the working folder.
        host: what variables say of the host's name.
        note: the value of a variable without meaning.
        token: the value of a variable that is a credential.
        login: a password in the address of a database.
        mail: the address in git's settings.
        remote: the name of the git repository's origin.
        source: the name of a branch.
    """

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
        """List the variables that hold some."""
        return {
            **dict.fromkeys(("USER", "LOGNAME", "USERNAME"), self.user),
            **dict.fromkeys(("HOSTNAME", "COMPUTERNAME"), self.host),
            "CONFORMANCE_NOTE": self.note,
            "GITHUB_TOKEN": f"ghp_{self.token:x<36}",
            "AWS_SECRET_ACCESS_KEY": self.token,
            "DATABASE_URL": f"postgres://someone:{self.login}@127.0.0.1:9/some",
        }

    @property
    def files(self) -> Mapping[str, str]:
        """List the files that hold some: a git repository, and git's settings of the user."""
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
        """Name the repository's origin."""
        return f"git@example.org:{self.remote}/some.git"

    def canaries(self, home: str, work: str) -> tuple[Canary, ...]:
        """List them with their places; a hash may be one of a whole path."""
        note, token = "the variable CONFORMANCE_NOTE", "a token in a variable"
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
    """Draw the canaries of one kit."""
    return Planted(*(draw(entropy) for _ in Planted._fields))
