"""Own what a text looks like: addresses, keys, tokens, traces, sentences.

Each pattern is written so that it takes time in proportion to the text. Nothing
here knows events, fields or this machine.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

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
_CLOUD_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA|LSIA|LKIA)[A-Z0-9]{16}"
    r"|AIza[0-9A-Za-z_-]{35}"
    r"|ya29\.[0-9A-Za-z_-]{20,200}"
    r"|GOCSPX-[0-9A-Za-z_-]{28}"
    r"|AccountKey=[A-Za-z0-9+/]{40,100}"
    r"|(?i:aws_?secret_?access_?key)[\"' ]{0,3}[=:][\"' ]{0,3}[A-Za-z0-9/+]{40}"
    r")"
)
_LOCALSTACK_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])ls-[A-Za-z0-9]{4,12}(?:-[A-Za-z0-9]{4,12}){2,8}(?![A-Za-z0-9])"
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"gh[pousr]_[A-Za-z0-9]{20,255}"
    r"|github_pat_[A-Za-z0-9_]{20,255}"
    r"|glpat-[A-Za-z0-9_-]{20,64}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}"
    r"|sk-[A-Za-z0-9_-]{20,200}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,200}"
    r"|npm_[A-Za-z0-9]{36}"
    r"|pypi-[A-Za-z0-9_-]{50,250}"
    r"|dop_v1_[a-f0-9]{64}"
    r"|hvs\.[A-Za-z0-9_-]{20,200}"
    r"|eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,4000}\."
    r"|(?i:bearer|basic) [A-Za-z0-9+/=_.~-]{16,4000}"
    r"|(?i:password|passwd|secret|token|api[_-]?key)[\"']?[=:] ?[\"']?[^\s\"'&*<>{}$]{6,200}"
    r")"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY"
    r"|[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/@:*]{1,100}:[^\s/@*]{1,200}@"
    r"|(?i:[?&](?:x-amz-(?:signature|credential|security-token)|signature|sig|access_token)=)[^\s&*]{6,2000}"
)
_RUN_LENGTH = 11
_RUN = re.compile(rf"[A-Za-z0-9+/_=.~-]{{{_RUN_LENGTH}}}")
_MARK = re.compile(r"[@:=/\\\n\"(\[]")
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


def _emails(text: str) -> Iterator[str]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            if not _EXAMPLE_DOMAIN.search(match[0]):
                yield match[0]


def _addresses(text: str) -> Iterator[str]:
    for pattern, mark in ((_IPV4, "."), (_IPV6, ":")):
        if text.count(mark) < 3:  # noqa: PLR2004  (no address has fewer)
            continue
        for match in pattern.finditer(text):
            if _is_telling(match[0]):
                yield match[0]


def _is_telling(text: str) -> bool:
    """Tell a real address from a version, and from one that every machine has."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if address.version == 6 and text.count(":") < 4 and len(text) < 8:  # noqa: PLR2004
        return False  # `a::b:c` is more often a name than an address.
    return not (address.is_loopback or address.is_unspecified)


def _with(pattern: re.Pattern[str], *hints: str) -> Callable[[str], Iterator[str]]:
    """Find a pattern in the few texts that hold one of the words it cannot do without."""

    def find(text: str) -> Iterator[str]:
        for hint in hints:
            if hint in text:
                return (match[0] for match in pattern.finditer(text))
        return iter(())

    return find


def _tokens(text: str) -> Iterator[str]:
    """Find tokens, each of which has a long run of letters and digits, or a mark before it."""
    if ":" in text or "=" in text or "-----" in text or _RUN.search(text):
        return (match[0] for match in _TOKEN.finditer(text))
    return iter(())


def _cloud_keys(text: str) -> Iterator[str]:
    return (match[0] for match in _CLOUD_KEY.finditer(text)) if _RUN.search(text) else iter(())


PATTERNS: tuple[tuple[str, Callable[[str], Iterator[str]]], ...] = (
    ("UC501", _emails),
    ("UC502", _addresses),
    ("UC503", _cloud_keys),
    ("UC302", _with(_LOCALSTACK_TOKEN, "ls-")),
    ("UC504", _tokens),
    ("UC405", _with(_HOME, "/home/", "/Users/", "/root/", "Users", "Documents and Settings")),
    ("UC505", _with(_RESOURCE, "arn:aws", "s3://")),
    ("UC305", _with(_TRACE, "Traceback", 'File "', "goroutine ", "\n", "panic: ")),
)
"""For each rule about the look of a text, what finds it."""


def may_tell(text: str) -> bool:
    """Tell at a glance whether a text can have one of the `SHAPES`; most have none.

    Each shape holds one of a few marks, the dots of an address, or a run of characters
    without a blank that is longer than most words.
    """
    if _MARK.search(text) or text.count(".") > 2 or "-----" in text:  # noqa: PLR2004
        return True
    longest = max(text.split(), key=len, default="")
    return len(longest) >= _RUN_LENGTH and _RUN.search(text) is not None


@lru_cache(maxsize=1)  # An ID is asked about more than once.
def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID and nothing besides."""
    return len(text) == _UUID_LENGTH and _UUID.fullmatch(text) is not None


def is_free_text(text: str) -> bool:
    """Tell a sentence from a name, a path or a version."""
    return len(text) >= _SENTENCE_CHARACTERS and len(text.split(maxsplit=6)) >= _SENTENCE_WORDS


_SECRET_NAME = re.compile(
    r"(?i)(?:^|[_.-])(?:(?:auth|access|api|secret|private)_?(?:token|key)(?:_id)?|token|secret|password|passwd|credentials?)$"
)


def names_secret(key: str) -> bool:
    """Tell whether a key says that its value is a credential."""
    return _SECRET_NAME.search(key) is not None
