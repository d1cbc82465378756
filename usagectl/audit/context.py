"""Values of this machine that an event must not hold; they are searched for, never shown.

Taken at run time: user, host, home, secrets of the environment, the operating
system's machine ID, and the values typed in a captured command.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from usagectl import sensitive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from usagectl.machine.environment import Environment

_NO_VALUES = frozenset(("true", "false", "none", "null", "auto", "json", "yaml", "table", "text"))
_SHORTEST_WORD = 4
_SHORTEST_NAME = 3
_SHORTEST_NUMBER = 6
_SHORTEST_MACHINE_ID = 16
_MOST_VALUES = 200
_MOST_BYTES = 4096
_MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


@dataclass(frozen=True, slots=True, repr=False)
class Context:
    """Values to look for; without a text form, so that none is ever printed.

    Attributes:
        values: for each rule the texts that it looks for.
        derived_ids: machine IDs that this machine's own ID leads to.
    """

    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    derived_ids: frozenset[str] = frozenset()

    @classmethod
    def from_environment(cls, environment: Environment, arguments: Sequence[str] = ()) -> Context:
        """Take the values of this machine, and those typed in a captured command.

        Args:
            environment: what this process runs on.
            arguments: the words of the captured command, its program's name first. Of them
                count the values: `--name=VALUE`, what stands after the program's name and
                is no option, and the part after `=` of `NAME=VALUE`. Words shorter than
                four characters, plain numbers below six digits and words such as `true` or
                `json` are left out; so is every word of a `cmd` that is audited.
        """
        machine_ids = tuple(_machine_ids(environment))
        found = (
            ("UC402", sensitive.secrets_of(environment.variables)),
            ("UC406", (*machine_ids, *map(_with_hyphens, machine_ids))),
            ("UC405", _homes(environment)),
            ("UC401", values_typed(arguments)),
            ("UC403", _users(environment)),
            ("UC404", _hosts(environment)),
        )
        values = tuple((rule, _longest_first(texts)) for rule, texts in found)
        return cls(values, frozenset(_derived(machine_ids)))

    def finder(self) -> re.Pattern[str] | None:
        """Build one pattern for all values, a group for each rule; None when there are none.

        Names count as whole words in any case, secrets wherever they stand.
        """
        groups = [f"(?P<{rule}>{_pattern(rule, texts)})" for rule, texts in self.values if texts]
        return re.compile("|".join(groups)) if groups else None


def values_typed(arguments: Sequence[str]) -> tuple[str, ...]:
    """List the values among the words of a command line (see `Context.from_environment`)."""
    found: list[str] = []
    for word in arguments[1:]:
        if word.startswith("-"):
            found += _parts(word.partition("=")[2])
        else:
            found += _parts(word)
    return tuple(word for word in found if _is_value(word))


def _parts(word: str) -> Iterator[str]:
    yield word
    if "=" in word:
        yield word.partition("=")[2]


def _is_value(word: str) -> bool:
    if word.isdigit() and len(word) < _SHORTEST_NUMBER:
        return False
    return len(word) >= _SHORTEST_WORD and word.lower() not in _NO_VALUES


def _pattern(rule: str, texts: Iterable[str]) -> str:
    choices = "|".join(re.escape(text) for text in texts)
    if rule in ("UC402", "UC406"):
        return choices
    if rule == "UC405":
        return f"(?<![\\w.])(?:{choices})(?![\\w-])"
    if rule == "UC401":
        return f"(?<![A-Za-z0-9])(?:{choices})(?![A-Za-z0-9])"
    return f"(?<![A-Za-z0-9])(?i:{choices})(?![A-Za-z0-9])"


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    found = sorted({text for text in texts if text}, key=lambda text: (-len(text), text))
    return tuple(found[:_MOST_VALUES])


def _users(environment: Environment) -> Iterator[str]:
    variables = environment.variables
    names = [variables.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")]
    names += [home.name for home in _home_folders(environment)]
    for name in names:
        if len(name) >= _SHORTEST_NAME and name.lower() not in sensitive.ORDINARY_WORDS:
            yield name


def _hosts(environment: Environment) -> Iterator[str]:
    variables = environment.variables
    for name in (
        environment.host_name,
        variables.get("HOSTNAME", ""),
        variables.get("COMPUTERNAME", ""),
    ):
        for text in (name, name.partition(".")[0]):
            if len(text) >= _SHORTEST_NAME and text.lower() not in sensitive.ORDINARY_WORDS:
                yield text


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
        try:
            with environment.at_root(name).open("rb") as stream:
                text = stream.read(_MOST_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            continue
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
