"""Search of texts for what tells on somebody: values of this machine, addresses, paths, secrets.

The values are taken at run time and never shown: user, host, home, secrets of the environment,
the operating system's machine ID, and the values typed in a captured command. Each pattern takes
time in proportion to the text; what looks like a credential stands in `sensitive`.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from functools import cached_property
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from usagectl.audit.disguises import PLAIN, Disguises
from usagectl.homes import HIDDEN_HOME, find_homes
from usagectl.sensitive import ORDINARY_WORDS, find_secrets, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.notice import Default

_NO_VALUES = frozenset(("true", "false", "none", "null", "auto", "json", "yaml", "table", "text"))
_SHORTEST_WORD = 4
_SHORTEST_NAME = 3
_SHORTEST_NUMBER = 6
_SHORTEST_MACHINE_ID = 16
_MOST_VALUES = 200
_MOST_BYTES = 4096
_MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")

_CODED = re.compile(r"[0-9A-Za-z+/]{16}|(?<!-)[0-9A-Fa-f]{12}|%[0-9A-Fa-f]{2}|\\u00")
"""What stands in a text that holds a hash or a code of something; few texts have it, IDs do not."""

_UUID = re.compile("-".join(f"[0-9a-fA-F]{{{digits}}}" for digits in (8, 4, 4, 4, 12)))
_DERIVED_ID = re.compile(r"(?:dkr|sys)_[0-9a-f]{12}")
MACHINE_ID = re.compile(r"(?:dkr|sys|gen)_[0-9a-f-]{12}")

_SENTENCE_WORDS = 5
_SENTENCE_CHARACTERS = 25

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"
)
_EXAMPLE_DOMAIN = re.compile(
    r"(?i)(?:@|\.)(?:example\.(?:com|org|net)|example|invalid|test|localhost)$"
)
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])")
_MOST_BEFORE = 80
_VERSION_BEFORE = re.compile(
    # A word that says so, then numbers of a list; a sign, as in `pkg==`; `a/b:`, `Chrome/`, `pkg-`.
    r"(?i:versions?|release|revision|\b(?:build|rev|ver|oid|section))(?: is)?"
    r"[\s\\\"'`:=<>~^!(\[]{1,5}"
    r"(?:[0-9][0-9.]{0,20}[\"'`]?(?:,|,? (?:or|and|to|until)|\.\.|-)? ?[\"'`]?){0,4}$"
    r"|(?:[=<>~^!]=|[~^]) ?$|(?<![\w./-])[a-z0-9][\w.-]{0,60}/[\w./-]{1,60}:$"
    r"|(?<![\w./\\-])(?!(?:ip|host|node|server|addr|peer|client|tcp|udp)[-_/])[A-Za-z][\w+-]{0,40}[/_-]$"
)
_VERSION_AFTER = re.compile(
    r"(?:[-.+_][a-z0-9]{1,12}){0,4}\.(?:tar|t[gx]z|zip|whl|jar|deb|rpm|apk|exe|msi|dll|so|nupkg)\b"
    r"|[-+](?:alpha|beta|rc|dev|snapshot|final|release|py[23])|\.(?:dev|post|rc)[0-9]"
    r"| or (?:later|newer|older)\b"
)
VERSION_PLACE = re.compile(
    r"(?i)(?:version|release|build)(?:_?(?:string|number))?$|/versions?/[^/]*$"
)
"""A place whose name says that a version stands there."""

_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}(?![\w:])")
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


class Hit(NamedTuple):
    """Something telling in a text: the rule, what matched, and which typed word that is."""

    rule: str
    match: str
    part: str = ""


class Context:
    """Values to look for; without a text form, so that none is ever printed."""

    def __init__(
        self,
        values: Iterable[tuple[str, tuple[str, ...]]] = (),
        derived_ids: Iterable[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.values = dict(values)  # The texts of each rule.
        self.derived_ids = frozenset(derived_ids)  # Those that this machine's own ID leads to.
        self._variables = variables or {}
        groups = [
            f"(?P<{rule}>{_pattern(rule, each)})" for rule, each in self.values.items() if each
        ]
        self.finder = re.compile("|".join(groups)) if groups else None
        self._folded = {text.casefold() for texts in self.values.values() for text in texts}

    @classmethod
    def from_environment(cls, environment: Environment, arguments: Sequence[str] = ()) -> Context:
        """Take the values of this machine, and those typed in a captured command.

        A word of a `cmd` that is audited is no value, though it was typed.
        """
        machine_ids = tuple(_machine_ids(environment))
        found = (
            ("UC402", secrets_of(environment.variables)),
            ("UC406", (*machine_ids, *map(_with_hyphens, machine_ids))),
            ("UC405", _homes(environment)),
            ("UC401", values_typed(arguments)),
            ("UC403", _users(environment)),
            ("UC404", _hosts(environment)),
        )
        values = ((rule, _longest_first(texts)) for rule, texts in found)
        return cls(values, _derived(machine_ids), environment.variables)

    def search(self, text: str) -> list[Hit]:
        """Find everything telling in a text."""
        found = self._search_values(text)
        if not is_uuid(text):  # A UUID looks like nothing else, whatever it is.
            taken = {hit.match for hit in found}
            found += [Hit(rule, match) for rule, match in find_patterns(text) if match not in taken]
            found += self._search_disguised(text, {hit.rule for hit in found})
        return found

    def _search_values(self, text: str) -> list[Hit]:
        """Find values of this machine; one with many secrets has a pattern that is slow to try."""
        folded = text.casefold()
        if self.finder is None or not any(value in folded for value in self._folded):
            return []
        return [
            Hit(match.lastgroup or "", match[0], match[0] if match.lastgroup == "UC401" else "")
            for match in self.finder.finditer(text)
        ]

    def _search_disguised(self, text: str, known: Container[str]) -> Iterator[Hit]:
        """Find values of this machine that were hashed or coded; most texts are no such word.

        One that only decoding shows counts where its rule has found nothing else.
        """
        if _CODED.search(text):
            for (rule, part), form in self._disguises.search(text.encode("utf-8", "replace")):
                if form != PLAIN or rule not in known:
                    yield Hit(rule, form, part)

    @cached_property
    def _disguises(self) -> Disguises[tuple[str, str]]:
        return Disguises(
            ((rule, text if rule == "UC401" else ""), [text])
            for rule, texts in self.values.items()
            for text in texts
        )

    def is_set(self, default: Default, value: str) -> bool:
        """True unless a value of a setting is the client's default and no variable says it."""
        match = re.fullmatch(default.pattern, value)
        if match is None:
            return True
        what, how = (*match.groups(), "", "")[:2]
        name = what.upper().replace("-", "_")
        return any(self._variables.get(each.format(name)) == how for each in default.variables)

    def has_derived(self, machine_id: str) -> bool:
        """True if a machine ID is computed from the machine, this one or another."""
        return machine_id in self.derived_ids or _DERIVED_ID.fullmatch(machine_id) is not None


def _pattern(rule: str, texts: Iterable[str]) -> str:
    """Build the pattern of a rule: names are whole words in any case, secrets stand anywhere."""
    choices = "|".join(map(re.escape, texts))
    if rule in ("UC402", "UC406"):
        return choices
    if rule == "UC405":
        return f"(?<![\\w.])(?:{choices})(?![\\w-])"
    flag = "" if rule == "UC401" else "i"
    return f"(?<![A-Za-z0-9])(?{flag}:{choices})(?![A-Za-z0-9])"


def values_typed(arguments: Sequence[str]) -> tuple[str, ...]:
    """List the values among the words of a command line, its program's name first.

    Those are `--name=VALUE`, words that are no option, and the part after `=` of `NAME=VALUE`;
    not short words and numbers, nor words such as `true` or `json`.
    """
    found: list[str] = []
    for word in arguments[1:]:
        value = word.partition("=")[2] if word.startswith("-") else word
        found += [value, value.partition("=")[2]]
    return tuple(word for word in found if _is_value(word))


def _is_value(word: str) -> bool:
    if word.isdigit() and len(word) < _SHORTEST_NUMBER:
        return False
    return len(word) >= _SHORTEST_WORD and word.lower() not in _NO_VALUES


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    found = sorted({text for text in texts if text}, key=lambda text: (-len(text), text))
    return tuple(found[:_MOST_VALUES])


def _users(environment: Environment) -> Iterator[str]:
    names = ("USER", "LOGNAME", "USERNAME", "SUDO_USER")
    yield from _identifying(environment.variables.get(name, "") for name in names)
    yield from _identifying(home.name for home in _home_folders(environment))


def _hosts(environment: Environment) -> Iterator[str]:
    named = [environment.variables.get(name, "") for name in ("HOSTNAME", "COMPUTERNAME")]
    for name in (environment.host_name, *named):
        yield from _identifying((name, name.partition(".")[0]))


def _identifying(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if len(name) >= _SHORTEST_NAME and name.lower() not in ORDINARY_WORDS:
            yield name


def _homes(environment: Environment) -> Iterator[str]:
    for home in _home_folders(environment):
        text = str(home).rstrip("/\\")
        if text.count("/") + text.count("\\") >= 1 and len(text) > _SHORTEST_NAME:
            yield text
            yield text.replace("\\", "/")


def _home_folders(environment: Environment) -> list[Path]:
    return [home for home in (environment.home, environment.account_home) if home is not None]


def _machine_ids(environment: Environment) -> Iterator[str]:
    for name in _MACHINE_ID_FILES:
        with suppress(OSError), environment.at_root(name).open("rb") as stream:
            text = stream.read(_MOST_BYTES).decode("utf-8", "replace").strip()
            if len(text) >= _SHORTEST_MACHINE_ID:
                yield text


def _with_hyphens(text: str) -> str:
    cuts = (0, 8, 12, 16, 20, len(text))
    return "-".join(text[start:end] for start, end in pairwise(cuts))


def _derived(machine_ids: Iterable[str]) -> Iterator[str]:
    """Compute what the clients make of a machine ID (facts, part 4)."""
    for text in machine_ids:
        digest = hashlib.md5(f"ls{text}".encode(), usedforsecurity=False).hexdigest()
        yield from (f"sys_{digest[:12]}", f"dkr_{digest[:12]}", digest[:12])
        for whole in (text, f"{text}\n"):
            yield hashlib.md5(whole.encode(), usedforsecurity=False).hexdigest()[:8]


def _is_telling(match: re.Match[str]) -> bool:
    """True for an address, unless it is a version or one that every machine has."""
    text = match[0]
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if address.version == 4 and _is_version(match):  # noqa: PLR2004
        return False
    if address.version == 6 and text.count(":") < 4 and len(text) < 8:  # noqa: PLR2004
        return False  # `a::b:c` is more often a name than an address.
    return not (address.is_loopback or address.is_unspecified)


def _is_version(match: re.Match[str]) -> bool:
    """True for four numbers that a word before them, or an ending behind, calls a version."""
    before = match.string[max(match.start() - _MOST_BEFORE, 0) : match.start()]
    return bool(
        _VERSION_AFTER.match(match.string, match.end())
        or (_VERSION_BEFORE.search(before) and match.string[match.end() : match.end() + 1] != ":")
    )


class Pattern(NamedTuple):
    """What a text looks like that breaks a rule."""

    rule: str
    marks: str  # One of these stands in every text that matches; most texts hold none.
    times: int  # How often it does at least.
    pattern: re.Pattern[str]
    counts: Callable[[re.Match[str]], bool] | None = None  # Whether a match counts; None: always.


PATTERNS = (
    Pattern("UC501", "@", 1, _EMAIL, lambda mail: not _EXAMPLE_DOMAIN.search(mail[0])),
    Pattern("UC502", ".", 3, _IPV4, _is_telling),
    Pattern("UC502", ":", 3, _IPV6, _is_telling),
    Pattern("UC405", "~", 1, re.compile(HIDDEN_HOME)),  # A capture has hidden it.
    Pattern("UC505", ":", 1, _RESOURCE),
    Pattern("UC305", '("[\n:', 1, _TRACE),
)
_RULES_OF_SECRETS = {"cloud-key": "UC503", "emulator-token": "UC302"}


def find_patterns(text: str) -> Iterator[tuple[str, str]]:
    """Find everything telling in a text: the rule that it breaks, and what matched."""
    for rule, marks, times, pattern, counts in PATTERNS:
        for mark in marks:
            if text.count(mark) >= times:
                for match in pattern.finditer(text):
                    if counts is None or counts(match):
                        yield rule, match[0]
                break
    for start, end in find_homes(text):
        yield "UC405", text[start:end]
    for kind, start, end in find_secrets(text):
        yield _RULES_OF_SECRETS.get(kind, "UC504"), text[start:end]


def is_uuid(text: str) -> bool:
    """True if a text is a UUID and nothing else."""
    return _UUID.fullmatch(text) is not None


def is_free_text(text: str) -> bool:
    """True if a text is a sentence: no name, path or version."""
    return len(text) >= _SENTENCE_CHARACTERS and len(text.split(maxsplit=6)) >= _SENTENCE_WORDS
