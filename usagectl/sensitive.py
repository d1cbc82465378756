"""Own what counts as a secret of this machine: the values of variables that are credentials.

A capture masks them, an audit looks for them. Knows nothing of events.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHORTEST_BYTES = 8
"""A shorter value is found in too much that is none, such as a `1`."""

_LONGEST = 64 * 1024
_NAME = re.compile(
    r"(?i)(?:^|_)(?:token|secret|password|passwd|passphrase|pwd|apikey|api_key|key|keys|credential|"
    r"credentials|auth|cookie|pat|dsn|pass)(?:$|_|[0-9])"
)
_NO_SECRET_NAME = re.compile(
    r"(?i)_(?:file|path|dir|sock|name|url|id|region|type|version|enabled|pid|helper)$"
)
ORDINARY_WORDS = frozenset(
    """root user users admin administrator ubuntu debian runner localstack docker vscode codespace
    jenkins gitlab github circleci travis build builder ci dev developer test tester guest nobody
    app node python java home default system service linux darwin windows host server local
    localhost container work workspace""".split()  # noqa: SIM905  (a list of words reads best so)
)
"""Names that identify nobody and nothing."""

_IN_URL = re.compile(r"://([^/\s:@]*):([^/\s@]+)@")
# A key may begin with a slash too: a path is of a known folder, or its last part has a dot.
_PATH = re.compile(
    r"(?:~|\.{1,2}|/(?:home|root|Users|etc|usr|var|run|tmp|opt|srv|mnt|private|secrets?))/.*"
    r"|/(?:[\w@-]+/)+[\w@-]*\.\w+"
)


def secrets_of(variables: Mapping[str, str]) -> tuple[str, ...]:
    """List the values that are secrets, longest first: whole variables, and passwords in URLs."""
    found = {each for name, value in variables.items() for each in _secrets_in(name, value)}
    return tuple(sorted(found, key=lambda each: (-len(each), each)))


def names_secret(name: str) -> bool:
    """Tell whether a variable's name says that it holds a credential."""
    return bool(_NAME.search(name)) and not _NO_SECRET_NAME.search(name)


def _secrets_in(name: str, raw: str) -> Iterator[str]:
    value = raw.strip(" \t\r\n\"'")
    if len(value) > _LONGEST:
        return
    for match in _IN_URL.finditer(value):
        if len(match[2]) >= SHORTEST_BYTES - 2:
            yield match[2]
    if names_secret(name) and len(value) >= SHORTEST_BYTES and not _is_ordinary(value):
        yield value


def _is_ordinary(value: str) -> bool:
    """Tell a path, a list of paths, an address and a plain word from a secret."""
    if value.startswith(("http://", "https://", "unix:")) or os.pathsep + "/" in value:
        return not _IN_URL.search(value) and "?" not in value
    is_path = _PATH.fullmatch(value) is not None
    return is_path or value.lower() in ORDINARY_WORDS
