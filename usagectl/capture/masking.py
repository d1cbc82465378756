"""Own what a capture withholds unless it is asked to reveal it: tokens, wherever they stand.

A masked value keeps its length, so that everything around it stays where it was.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHORTEST_SECRET = 8
"""A shorter value is found in too much that is none, such as a `1`."""

KEPT_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "host", "localstack-session-id", "transfer-encoding", "user-agent"),
    }
)
"""Headers that are recorded with their value; of others only the name is."""

_SECRET_NAME = re.compile(
    r"token|secret|passw|credential|api_?key|access_?key|private_?key|auth_?key", re.IGNORECASE
)
_SECRET_FIELDS = (
    *("api_key", "apikey", "auth_token", "auth_token_id", "access_token", "refresh_token"),
    *("token", "secret", "password", "authorization"),
)
_FIELD = re.compile(
    rb'"(?:' + "|".join(_SECRET_FIELDS).encode() + rb')"\s*:\s*"((?:[^"\\]|\\.)+)"', re.IGNORECASE
)
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')


class Masked(NamedTuple):
    """Hold an event with its secrets masked, and where in it they stood (JSON pointers)."""

    event: bytes
    pointers: tuple[str, ...] = ()


def secret_values(variables: Mapping[str, str]) -> tuple[str, ...]:
    """List the values of variables whose names say that they are secrets, longest first."""
    found = {
        value.strip(" \t\"'")
        for name, value in variables.items()
        if _SECRET_NAME.search(name) and not value.startswith("/")
    }
    return tuple(
        sorted((each for each in found if len(each) >= SHORTEST_SECRET), key=len, reverse=True)
    )


def mask_event(event: bytes, secrets: tuple[str, ...]) -> Masked:
    """Put asterisks in the place of what a secret field holds, and of every known secret."""
    masked = _FIELD.sub(_hide_value, event)
    if secrets:
        masked = _STRING.sub(lambda match: _hide_secrets(match, secrets), masked)
    if masked == event:
        return Masked(event)
    try:
        return Masked(masked, tuple(_changed(json.loads(event), json.loads(masked))))
    except (ValueError, RecursionError):  # Too many digits or levels for Python's own reader.
        return Masked(masked, ("",))


def mask_text(text: str, secrets: tuple[str, ...]) -> str:
    """Put asterisks in the place of every known secret in a header or a path."""
    for secret in secrets:
        text = text.replace(secret, "*" * len(secret))
    return text


def _hide_value(match: re.Match[bytes]) -> bytes:
    whole, value = match[0], match[1]
    return whole[: -len(value) - 1] + b"*" * len(value) + b'"'


def _hide_secrets(match: re.Match[bytes], secrets: tuple[str, ...]) -> bytes:
    text = match[1]
    plain = text.decode("utf-8", "replace")
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
        text = text.replace(secret.encode(), b"*" * len(secret.encode()))
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
