"""Own what a capture withholds unless it is asked to reveal it: tokens, wherever they stand.

A masked value keeps its length, so that everything around it stays where it was.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "host", "localstack-session-id", "transfer-encoding", "user-agent"),
    }
)
"""Headers that are recorded with their value; of others only the name is."""

_NAME = (
    rb"(?:api[_-]?keys?|auth[_-]?token[_-]?id|tokens?|secrets?|password|passwd|authorization|"
    rb"credentials?|cookies?|(?:access|private)[_-]?key|(?<![A-Za-z])auth)"
)
_SECRET_NAME = re.compile(_NAME + rb"$", re.IGNORECASE)
# The closing quote may be missing: a client may be killed in the middle of its body.
_FIELD = re.compile(
    _NAME + rb"(?:"
    rb"\\*[\"']\s*:\s*(?:"
    rb"\"((?:[^\"\\]|\\.)+)"  # "api_key": "…"
    rb"|'((?:[^'\\]|\\.)+)"  # 'api_key': '…'
    rb"|\\+[\"']((?:[^\"\\]|\\[^\"'])+)"  # JSON in a text: \"api_key\":\"…\"
    rb"|([\[{][^\n]+)"  # A list or an object goes up to the end of its line.
    rb"|([^\s,}\]\"'\\]+)"
    rb")|=([^&\s]+))",  # api_key=…
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]|-?[0-9][0-9.eE+-]*', re.DOTALL)
_CREDENTIALS = re.compile(r"(?i)(\b(?:bearer|basic)\s+)([^\s,;]+)")
_USER = re.compile(r"(?i)^([a-z][a-z0-9+.-]*://)[^/?#]*@")
_DIGIT = re.compile(rb"[0-9]")
_SUSPECT = re.compile(_NAME + rb"|\\u", re.IGNORECASE)
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')


class Masked(NamedTuple):
    """Hold an event with its secrets masked, and where in it they stood (JSON pointers)."""

    event: bytes
    pointers: tuple[str, ...] = ()


def mask_event(event: bytes, secrets: tuple[str, ...]) -> Masked:
    """Put asterisks in the place of what a secret field holds, and of every known secret."""
    masked = _mask_fields(event)
    if secrets:
        masked = _STRING.sub(lambda match: _hide_secrets(match, secrets), masked)
    if masked == event:
        return Masked(event)
    try:
        return Masked(masked, tuple(_changed(json.loads(event), json.loads(masked))))
    except (ValueError, RecursionError):  # Too many digits or levels for Python's own reader.
        return Masked(masked, ("",))


def _mask_fields(event: bytes) -> bytes:
    """Hide every text and number that stands in a field of a secret name, or anywhere below it."""
    if not _SUSPECT.search(event):
        return event
    masked = bytearray(event)
    depth, hidden = 0, 0
    for match in _TOKEN.finditer(event):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            hidden = hidden if depth >= hidden else 0
        elif match[2] is not None:
            if not hidden or depth <= hidden:
                hidden = depth if _SECRET_NAME.search(_plain(match[1])) else 0
        elif hidden or (token.startswith((b'"{', b'"[')) and _holds_secret(match[1])):
            at = 1 if token.startswith(b'"') else 0
            start, end = match.start(at), match.end(at)
            # Digits for digits: what comes out is JSON still.
            masked[start:end] = b"*" * (end - start) if at else _DIGIT.sub(b"1", token)
    return bytes(masked)


def _plain(text: bytes) -> bytes:
    """Take the escapes off what stands between two quotes."""
    if b"\\" not in text:
        return text
    try:
        return str(json.loads(b'"' + text + b'"')).encode("utf-8", "surrogatepass")
    except ValueError:
        return text


def _holds_secret(text: bytes) -> bool:
    """Tell whether a text is JSON itself, with a secret in one of its fields."""
    inner = _plain(text)
    return inner != text and _mask_fields(inner) != inner


def is_searchable(data: bytes, secrets: tuple[str, ...]) -> bool:
    """Tell whether what is hidden in a body can be found there; in texts of UTF-16 it cannot."""
    if b"\0" not in data:
        return True
    bare = data.replace(b"\0", b"")
    return mask_bytes(bare, secrets) == bare


def encoded(secret: str) -> bytes:
    """Give the bytes of a variable's value; those that are no UTF-8 come as they are."""
    return secret.encode("utf-8", "surrogateescape")


def mask_text(text: str, secrets: tuple[str, ...]) -> str:
    """Put asterisks in the place of every known secret in a header or a path, coded or not."""
    for secret in secrets:
        text = text.replace(secret, "*" * len(secret))
    plain = unquote(text)
    if plain != text and any(secret in plain for secret in secrets):
        return "*" * len(text)  # Which of the coded characters belong to it is not worth knowing.
    return text


def mask_value(text: str, secrets: tuple[str, ...]) -> str:
    """Do the same in a header's value, where credentials may follow a word that names them."""
    return mask_text(_CREDENTIALS.sub(lambda match: match[1] + "*" * len(match[2]), text), secrets)


def without_user(target: str) -> str:
    """Drop user and password from a request's target that is a whole URL."""
    return _USER.sub(r"\1", target)


def mask_bytes(data: bytes, secrets: tuple[str, ...]) -> bytes:
    """Do the same in a body that is no JSON."""
    data = _FIELD.sub(_hide_value, data)
    for secret in secrets:
        data = data.replace(encoded(secret), b"*" * len(encoded(secret)))
    return data


def _hide_value(match: re.Match[bytes]) -> bytes:
    whole, value = match[0], match[match.lastindex or 0]
    return whole[: -len(value)] + b"*" * len(value)


def _hide_secrets(match: re.Match[bytes], secrets: tuple[str, ...]) -> bytes:
    text = match[1]
    plain = text.decode("utf-8", "surrogateescape")
    if b"\\" in text:
        try:
            plain = json.loads(match[0])
        except ValueError:
            return match[0]
    found = [secret for secret in secrets if secret in plain]
    if not found:
        return match[0]
    if b"\\" in text:  # Which of the escapes belong to it is not worth knowing.
        return b'"' + b"*" * len(text) + b'"'
    for secret in found:
        exact = encoded(secret)
        text = text.replace(exact, b"*" * len(exact))
    return b'"' + text + b'"'


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
