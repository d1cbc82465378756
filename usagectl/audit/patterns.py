"""Text patterns that tell on somebody: addresses, paths, names of resources, traces, sentences.

What looks like a credential stands in `sensitive`; here too each pattern takes time in
proportion to the text. Nothing here knows events, fields or this machine.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from usagectl import sensitive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UUID = re.compile("-".join(f"[0-9a-fA-F]{{{digits}}}" for digits in (8, 4, 4, 4, 12)))
DERIVED_ID = re.compile(r"(?:dkr|sys)_[0-9a-f]{12}")
MACHINE_ID = re.compile(r"(?:dkr|sys|gen)_[0-9a-f-]{12}")

_UUID_LENGTH = 36
_SENTENCE_WORDS = 5
_SENTENCE_CHARACTERS = 25

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"
)
_EXAMPLE_DOMAIN = re.compile(
    r"(?i)(?:@|\.)(?:example\.(?:com|org|net)|example|invalid|test|localhost)$"
)
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_HOME = re.compile(
    r"(?<![\w.])(?:/home/|/Users/|/root/|/var/root/)[^/\s\"':,;<>*]{1,64}"
    r"|(?<!\w)[A-Za-z]:[\\/]{1,2}(?:Users|Documents and Settings)[\\/]{1,2}[^\\/\s\"':,;<>*]{1,64}"
)
_RESOURCE = re.compile(
    r"\barn:aws[a-z-]{0,20}:[a-z0-9-]{1,40}:[a-z0-9-]{0,30}:[0-9]{0,12}:[^\s\"',]{1,200}"
    r"|\bs3://[a-z0-9][a-z0-9.-]{1,62}"
)
_TRACE = re.compile(
    r"Traceback \(most recent call last\)"
    r"|File \"[^\"\n]{1,300}\", line [0-9]{1,9}"
    r"|goroutine [0-9]{1,9} \["
    r"|\n\s{1,8}at [\w$.<>/ ]{1,200}\([^()\n]{0,200}:[0-9]{1,9}(?::[0-9]{1,9})?\)"
    r"|panic: "
)


def _is_somebodys(mail: str) -> bool:
    """True if an e-mail address is of no domain that is reserved for examples."""
    return _EXAMPLE_DOMAIN.search(mail) is None


def _is_telling(text: str) -> bool:
    """True for an address, unless it is a version or one that every machine has."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if address.version == 6 and text.count(":") < 4 and len(text) < 8:  # noqa: PLR2004
        return False  # `a::b:c` is more often a name than an address.
    return not (address.is_loopback or address.is_unspecified)


class Pattern(NamedTuple):
    """What a text looks like that breaks a rule.

    Attributes:
        rule: the rule's ID.
        marks: one of these stands in every text that matches; most texts hold none.
        times: how often it does at least.
        pattern: what matches.
        counts: whether a match counts; None: always.
    """

    rule: str
    marks: str
    times: int
    pattern: re.Pattern[str]
    counts: Callable[[str], bool] | None = None


PATTERNS = (
    Pattern("UC501", "@", 1, _EMAIL, _is_somebodys),
    Pattern("UC502", ".", 3, _IPV4, _is_telling),
    Pattern("UC502", ":", 3, _IPV6, _is_telling),
    Pattern("UC405", "/\\", 1, _HOME),
    Pattern("UC505", ":", 1, _RESOURCE),
    Pattern("UC305", '("[\n:', 1, _TRACE),
)
_RULES_OF_SECRETS = {"cloud-key": "UC503", "emulator-token": "UC302"}


def find_telling(text: str) -> Iterator[tuple[str, str]]:
    """Find everything telling in a text: the rule that it breaks, and what matched."""
    for rule, marks, times, pattern, counts in PATTERNS:
        for mark in marks:
            if text.count(mark) >= times:
                for match in pattern.finditer(text):
                    if counts is None or counts(match[0]):
                        yield rule, match[0]
                break
    for kind, start, end in sensitive.find_secrets(text):
        yield _RULES_OF_SECRETS.get(kind, "UC504"), text[start:end]


def is_uuid(text: str) -> bool:
    """True if a text is a UUID and nothing else."""
    return len(text) == _UUID_LENGTH and _UUID.fullmatch(text) is not None


def is_free_text(text: str) -> bool:
    """True if a text is a sentence: no name, path or version."""
    return len(text) >= _SENTENCE_CHARACTERS and len(text.split(maxsplit=6)) >= _SENTENCE_WORDS
