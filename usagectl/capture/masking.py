"""Masking of secrets and home paths in captured requests: in JSON, in headers and in paths.

What names a secret and what looks like one is known to `sensitive` alone.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from usagectl import sensitive
from usagectl.homes import HIDDEN_HOME, mask_homes

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "host", "localstack-session-id", "transfer-encoding", "user-agent"),
    }
)
"""Headers that are recorded with their value; of others only the name is."""

_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]|-?[0-9][0-9.eE+-]*', re.DOTALL)
_MOST_CODINGS = 3  # A path in a query in a query, say.
_DIGIT = re.compile(rb"[0-9]")


_GAP = rb"\s{0,40}"
_NAME = rb'"(?P<name>[^"\\]{2,80})"'
_VALUE = rb'(?P<value>"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*)'
_NAMING = rb'"(?i:name|key|k|field|header|variable|option)"' + _GAP + b":" + _GAP + _NAME
_HOLDING = rb'"(?i:value|v|val|content|data|text)"' + _GAP + b":" + _GAP + _VALUE
_COMMA = _GAP + b"," + _GAP
_OTHERS = (
    rb'(?:"[^"\\]{0,80}"\s{0,9}:\s{0,9}(?:"[^"\\]{0,300}"|[\w.+-]{1,40})\s{0,9},\s{0,40}){0,3}'
)
_PAIRS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        _NAMING + _COMMA + _OTHERS + _HOLDING,  # {"name": "password", "value": "…"}
        _HOLDING + _COMMA + _OTHERS + _NAMING,
        rb'(?<![\\"])"--?(?P<name>[\w.-]{2,80})"' + _COMMA + _VALUE,  # ["--password", "…"]
        rb"(?<=[\[,])\s{0,40}\[" + _GAP + _NAME + _COMMA + _VALUE + _GAP + rb"\]",  # [["pwd", "…"]]
    )
)
"""JSON that holds a name and its value apart from each other."""


class Masked(NamedTuple):
    """JSON with its secrets masked, and the places where they stood (JSON pointers)."""

    text: bytes
    pointers: tuple[str, ...] = ()


def mask_json(text: bytes, secrets: tuple[str, ...], homes: tuple[str, ...] = ()) -> Masked:
    """Mask every known secret, what looks like one, all that a secret's name holds, and homes.

    Every other byte stays as it was.
    """
    masked = _masked(text, secrets, homes)
    if masked == text:
        return Masked(text)
    try:
        return Masked(masked, tuple(_changed(json.loads(text), json.loads(masked))))
    except (ValueError, RecursionError):  # Too many digits or levels for Python's own reader.
        return Masked(masked, ("",))


def _masked(text: bytes, secrets: tuple[str, ...], homes: tuple[str, ...]) -> bytes:
    return _mask_pairs(_TOKEN.sub(_JsonMask(secrets, homes), text))


def _mask_pairs(text: bytes) -> bytes:
    for pattern in _PAIRS:
        text = pattern.sub(_mask_pair, text)
    return text


def _mask_pair(match: re.Match[bytes]) -> bytes:
    if not sensitive.names_secret(match["name"].decode("utf-8", "replace")):
        return match[0]
    value, place = match["value"], match.start("value") - match.start()
    hidden = b'"%b"' % (b"*" * (len(value) - 2)) if value[:1] == b'"' else _DIGIT.sub(b"1", value)
    return match[0][:place] + hidden + match[0][place + len(value) :]


class _JsonMask:
    """Masks the tokens of one JSON text, in their order."""

    def __init__(self, secrets: tuple[str, ...], homes: tuple[str, ...]) -> None:
        self._secrets = secrets
        self._homes = homes
        self._depth = 0
        self._hidden_from = 0
        """The depth of the secret name whose value is being passed; 0 outside."""

    def __call__(self, match: re.Match[bytes]) -> bytes:
        token, string, colon = match[0], match[1], match[2]
        if string is None:
            if token in b"{[]}":
                return self._pass_bracket(token)
            return _DIGIT.sub(b"1", token) if self._hidden_from else token  # It stays JSON.
        if colon is not None:
            self._pass_name(string)
            return b'"%b"%b' % (self._mask_text(string), colon)
        return b'"%b"' % (b"*" * len(string) if self._hidden_from else self._mask_text(string))

    def _pass_bracket(self, token: bytes) -> bytes:
        self._depth += 1 if token in b"{[" else -1
        if self._depth < self._hidden_from:
            self._hidden_from = 0
        return token

    def _pass_name(self, string: bytes) -> None:
        if not self._hidden_from or self._depth <= self._hidden_from:
            names_secret = sensitive.names_secret(_plain(string))
            self._hidden_from = self._depth if names_secret else 0

    def _mask_text(self, string: bytes) -> bytes:
        plain = _plain(string)
        masked = mask_text(plain, self._secrets, self._homes)
        if masked == plain and plain.startswith(("{", "[")):  # JSON in a text.
            inner = plain.encode("utf-8", "surrogatepass")
            is_clean = _masked(inner, self._secrets, self._homes) == inner
            masked = plain if is_clean else "*" * len(plain)
        if masked == plain:
            return string
        if b"\\" in string or len(masked.encode()) != len(string):
            # Which escapes or letters of several bytes belong to it is not worth knowing.
            return _stars(masked, len(string)).encode()
        return masked.encode()


def _stars(masked: str, size: int) -> str:
    """Return as many asterisks; behind the mark of a home if one is hidden in a masked text."""
    mark = "~/" if re.search(HIDDEN_HOME, masked) else ""
    return mark + "*" * (size - len(mark))


def _plain(string: bytes) -> str:
    """Return what a JSON string says, without its escapes."""
    if b"\\" in string:
        with suppress(ValueError):  # A raw line end, for one.
            return str(json.loads(b'"%b"' % string))
    return string.decode("utf-8", "replace")


def mask_text(text: str, secrets: tuple[str, ...], homes: tuple[str, ...] | None = None) -> str:
    """Mask secrets in a text, percent-encoded ones too, such as in a path or a form.

    With `homes`, those of this machine or none, paths into any home are masked as well.
    """

    def mask(plain: str) -> str:
        found = sensitive.mask_secrets(plain, secrets)
        if '"' in found:
            inner = found.encode("utf-8", "surrogatepass")
            found = _mask_pairs(inner).decode("utf-8", "surrogatepass")
        return found if homes is None else mask_homes(found, homes)

    masked = plain = mask(text)
    for _ in range(_MOST_CODINGS):
        before, plain = plain, unquote(plain)
        if plain == before:
            break
        if (found := mask(plain)) != plain:
            return _stars(found, len(text))  # Which coded characters belong to it matters not.
    return masked


def _changed(before: object, after: object, pointer: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        if before.keys() != after.keys():  # A name held a secret.
            yield pointer
            return
        for name, value in before.items():
            escaped = name.replace("~", "~0").replace("/", "~1")
            yield from _changed(value, after[name], f"{pointer}/{escaped}")
    elif isinstance(before, list) and isinstance(after, list):
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _changed(old, new, f"{pointer}/{place}")
    elif before != after:
        yield pointer
