"""Remarks on what a program records: each sort of event is named once, before its first one.

They are made on a terminal, and not in CI. What was said of a tool is noted in a file of it;
where that cannot be written no remark is made, since it would come each time.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from usagectl.endpoint import origin_of
from usagectl.events.record import CLI_CMD, CLI_MEMBERS
from usagectl.machine import files
from usagectl.machine.environment import is_ci, is_rehearsed
from usagectl.settings import OWN_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence
    from pathlib import Path

    from usagectl.emitting.permission import Emitter, Permit
    from usagectl.events.kinds import Kind
    from usagectl.machine.environment import Environment

TOKEN = "token"  # noqa: S105  (a sort of what is recorded, no token)

_WORDS: Mapping[str, str] = {
    CLI_CMD: "commands (their names and those of their parameters, never a value)",
    f"{CLI_CMD}.version": "with each command the tool's version",
    f"{CLI_CMD}.outcome": "with each command how it ended (ok, error, interrupted, usage)",
    f"{CLI_CMD}.duration_ms": "with each command how many milliseconds it took",
    "session": "sessions (a random ID, a machine ID, the system and version, whether in CI or a "
    "container)",
    TOKEN: "your token, readable",
    "aws_request": "API calls (service, operation, status, region, account 000000000000, the "
    "caller's user agent, errors with their texts scrubbed)",
    "aws_request_agg": "API calls, counted by service, operation and status",
    "run_init": "init scripts (how many, at which stage, how long they took)",
}
_COMMANDS_ALONE = (
    "its own commands on this machine: the command's name and the names of its parameters, never "
    "a value"
)


class Announcer:
    """Remarks of one program in one process.

    Args:
        emitter: what the program says about itself.
        has_token: whether its sessions hold a token.
    """

    def __init__(self, emitter: Emitter, *, has_token: bool = False) -> None:
        self._emitter = emitter
        self._kinds = {kind.name: _words_of(kind) for kind in emitter.kinds}
        self._with_sessions = ("session", *([TOKEN] if has_token else ()), *self._kinds)
        self._seen: set[str] = set()

    def announce(
        self,
        environment: Environment,
        permit: Permit,
        event: str,
        *,
        tell: Callable[[str], None] | None,
        members: Container[str] = (),
    ) -> None:
        """Say what is declared, before the first event of its sort; never raises.

        A command belongs to no session: with it nothing else is announced but the kinds that
        were declared beside it.

        Args:
            environment: what the program runs on.
            permit: under which it records.
            event: the name of the event that is about to be recorded.
            tell: writes a remark; None: nobody is there to read it.
            members: what a command's event holds; each of `CLI_MEMBERS` is a sort of its own.
        """
        held = [each for each in CLI_MEMBERS if each in members] if event == CLI_CMD else []
        sorts = (event, *(f"{event}.{each}" for each in held))
        if self._seen.issuperset(sorts):
            return
        self._seen.update(sorts)
        if tell is None:
            return
        others = self._kinds if event == CLI_CMD else self._with_sessions
        with suppress(Exception):
            if new := claim(environment, self._emitter.name, dict.fromkeys((*sorts, *others))):
                tell(self._text(new, permit))

    def _text(self, sorts: Sequence[str], permit: Permit) -> str:
        tool, words = self._emitter.name, {**_WORDS, **self._kinds}
        what = f"on this machine: {'; '.join(words[sort] for sort in sorts)}"
        if sorts[0] == CLI_CMD and {sort.partition(".")[0] for sort in sorts} == {CLI_CMD}:
            what = "; ".join((_COMMANDS_ALONE, *(words[sort] for sort in sorts[1:])))
        see, end = ways(self._emitter)
        told = [
            f"{tool} records {what}.",
            self._destination(permit),
            self._emitter.terms.told,
            f"To see it: {see}. To turn it off: {end}.",
        ]
        return " ".join(filter(None, told))

    def _destination(self, permit: Permit) -> str:
        """Say where it goes."""
        if not permit.consent or not permit.verdict.endpoint:
            return "Nothing is sent."
        if not self._emitter.delivers:
            return f"It is sent by usagectl replay --tool {self._emitter.name}."
        return f"It is sent to {origin_of(permit.verdict.endpoint)}."


def ways(emitter: Emitter) -> tuple[str, str]:
    """Name the commands that show what is recorded and that end it: the program's own if it has."""
    if own := emitter.terms.commands:
        return f"{own} show", f"{own} off"
    return f"usagectl preview {emitter.name}", f"usagectl disable {emitter.name}"


def told_of(emitter: Emitter) -> str:
    """Say what the commands of a program leave, and the kinds that are declared beside them."""
    kinds = map(_words_of, emitter.kinds)
    return "; ".join((_COMMANDS_ALONE, *kinds))


def claim(environment: Environment, tool: str, sorts: Iterable[str]) -> list[str]:
    """Note sorts as said, and return those that never were; none in CI.

    Raises:
        UsagectlError: they cannot be noted.
    """
    folder = environment.state_dir
    if folder is None or is_ci(environment):
        return []
    file = folder / ("first-run" if tool == OWN_NAME else f"first-run-{tool}")
    if not _new(file, sorts):
        return []
    with files.lock(folder, seconds=1):
        new = _new(file, sorts)
        if new:
            said = "".join(f"{sort}\n" for sort in (*_said(file), *new))
            files.replace_bytes(file, said.encode())
        return new


def teller() -> Callable[[str], None] | None:
    """Return what writes a remark to stderr; None unless a person sees stdout and stderr."""
    if is_rehearsed():  # Each test would make it anew.
        return None
    return _tell if is_terminal(sys.stdout) and is_terminal(sys.stderr) else None


def is_terminal(stream: object) -> bool:
    """True for a terminal; a program may have closed its stream, or put any object there."""
    with suppress(Exception):
        return bool(stream.isatty())  # type: ignore[attr-defined]
    return False


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _new(file: Path, sorts: Iterable[str]) -> list[str]:
    said = _said(file)
    return [sort for sort in sorts if sort not in said]


def _said(file: Path) -> tuple[str, ...]:
    """Read what was said; an empty file is of a version that spoke of commands alone."""
    text = files.read_bytes(file)
    if text is None:
        return ()
    return tuple(text.decode().split()) or (CLI_CMD,)


def _words_of(kind: Kind) -> str:
    fields = ", ".join(field.name for field in kind.fields)
    return f"{kind.name} ({fields})" if fields else kind.name
