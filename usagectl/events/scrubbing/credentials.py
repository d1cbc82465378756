"""Own where a secret stands in a sentence: what follows `password:` or `Bearer` goes whole.

A passphrase may be of ordinary words, so that here not even those stay.
"""

from __future__ import annotations

from usagectl.events.scrubbing.units import NAME, Unit
from usagectl.events.scrubbing.words import FUNCTION_WORDS

SECRETS = frozenset(
    ("password", "passphrase", "passwd", "passcode", "pwd", "secret", "token", "credential")
)
"""Words that a secret follows."""

_OF_SECRETS = SECRETS | {"access", "api", "private"}
_PARTS = frozenset(("key", "keys", "phrase", "value", "values"))
_STATES = FUNCTION_WORDS | frozenset(
    """denied different disabled empty enabled expected expired incorrect long malformed needed
    optional provided required revoked short supported unknown unsupported used valid weak
    wrong""".split()  # noqa: SIM905  (a list of words reads best so)
)
"""What a sentence about a secret says of it, as in `the token is malformed`."""

_AFTER_SCHEME = FUNCTION_WORDS | frozenset(
    """access auth authentication authorization credentials error header realm required scheme
    token tokens""".split()  # noqa: SIM905
)
_CLAUSE_ENDS = tuple(".,;)!?]}")


def hide_secrets(found: list[Unit]) -> list[Unit]:
    """Put one placeholder for the rest of a clause that tells a secret.

    After a colon or an equals sign that is whatever follows; after `is` it is what does
    not say of the secret how it is.
    """
    kept: list[Unit] = []
    index = 0
    while index < len(found):
        start = _start_of_secret(found, index)
        if start is None:
            kept.append(found[index])
            index += 1
            continue
        end = start + 1 if _is_scheme(found, index) else _end_of_clause(found, start)
        kept += found[index:start]
        kept += found[start:end] if _is_hidden(found[start:end]) else [_placeholder(found[start])]
        index = end
    return kept


def _start_of_secret(found: list[Unit], index: int) -> int | None:
    """Find where the secret begins that a word and its neighbours announce, if they do."""
    if index + 1 >= len(found) or found[index].kind not in ("word", "gone"):
        return None
    if _is_scheme(found, index):
        follower = found[index + 1]
        return None if _says(follower, _AFTER_SCHEME) or follower.kind == "mark" else index + 1
    if not _is_head(found, index) or index + 2 >= len(found):
        return None
    link, first = found[index + 1], found[index + 2]
    if link.kind == "mark":
        return index + 2 if ":" in link.text or "=" in link.text else None
    is_told = link.text.lower() in ("is", "was") and first.kind != "mark"
    return index + 2 if is_told and not _says(first, _STATES) else None


def _is_head(found: list[Unit], index: int) -> bool:
    word = found[index].text.lower()
    if found[index].kind == "gone":
        return found[index].was == "secret"
    if word in SECRETS or word.removesuffix("s") in SECRETS:
        return True
    return word in _PARTS and index > 0 and found[index - 1].text.lower() in _OF_SECRETS


def _is_scheme(found: list[Unit], index: int) -> bool:
    """Tell a scheme of authorization from the adjective `basic`."""
    word = found[index].text
    is_after_mark = index > 0 and found[index - 1].kind == "mark"
    return (
        word.lower() == "bearer"
        or word in ("Basic", "BASIC")
        or (word == "basic" and is_after_mark)
    )


def _says(unit: Unit, words: frozenset[str]) -> bool:
    return unit.kind == "word" and unit.text.lower() in words


def _end_of_clause(found: list[Unit], start: int) -> int:
    for index in range(start, len(found)):
        if found[index].kind == "mark" and found[index].text.startswith(_CLAUSE_ENDS):
            return index
    return len(found)


def _is_hidden(clause: list[Unit]) -> bool:
    """Tell whether there is nothing left to hide."""
    return not clause or (len(clause) == 1 and clause[0].kind == "gone")


def _placeholder(first: Unit) -> Unit:
    return Unit("gone", NAME, first.is_glued)
