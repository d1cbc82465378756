"""LocalStack's DOCKER_FLAGS: which variables they hand to the container, as its own parser reads.

They are words of `docker run`. Files of `--env-file` come first, then those of
`--compose-env-file`, then each `-e`; of one kind the last wins.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from usagectl.errors import FileUnreadableError
from usagectl.machine import files
from usagectl.tools.base import Caution, Switch, exists, first_heeded, is_dir, is_file
from usagectl.tools.localstack_client import (
    FLAGS,
    MAX_BYTES,
    PLAIN,
    PREFIXED,
    is_true,
    says,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.tools.localstack_client import LocalStackClient, ProfileFile

_OPTIONS = (
    *(("--env", "-e"), ("--env-file",), ("--compose-env-file",), ("--label", "-l")),
    *(("--add-host",), ("--network",), ("--platform",), ("--publish", "-p"), ("--ulimit",)),
    *(("--user", "-u"), ("--volume", "-v"), ("--dns",)),
)
"""Options with a value that the client knows; argparse takes the beginning of a name for it."""

_SWITCHES = (("--privileged",), ("--help", "-h"))


class Handed(NamedTuple):
    """What one variable gets from the flags."""

    value: str | None  # None takes away what the client would have handed over.
    file: Path | None = None  # The file it stands in; None for the flags themselves.
    yields_to_docker: bool = False  # Whether docker's own command line lets each `-e` beat it.


class Flags(NamedTuple):
    """What DOCKER_FLAGS say."""

    values: Mapping[str, Handed]
    problem: str = ""  # Why no container can be started with them, else empty.
    unread: str = ""  # A file whose content is not known, and why, as a sentence without its end.
    doubtful: str = ""  # What the client's own parser does not know, but docker may.


class _RefusedError(Exception):
    """The client's parser does not take these words."""


def read(
    text: str,
    variables: Mapping[str, str],
    *,
    cwd: Path,
    read_dotenv: Callable[[Path], ProfileFile],
) -> Flags:
    """Read the flags; `variables` are the client's own, for names without a value in a file."""
    import shlex  # few set these flags

    try:
        words = shlex.split(text)
    except ValueError:
        return Flags({}, problem="a quotation mark in it is never closed")
    try:
        found, others = _parser().parse_known_args(words)
    except _RefusedError:
        return Flags({}, doubtful=shlex.join(words))
    read_files = [_read_env_file(cwd / name, variables) for name in found.env_file]
    read_files += [_from_dotenv(read_dotenv(cwd / name)) for name in found.compose_env_file]
    values = {name: handed for flags in read_files for name, handed in flags.values.items()}
    for assignment in found.env:
        name, _, value = assignment.partition("=")
        values[name] = Handed(value)
    problem = next((flags.problem for flags in read_files if flags.problem), "")
    unread = next((flags.unread for flags in read_files if flags.unread), "")
    return Flags(values, problem, unread, shlex.join(others))


def _parser() -> ArgumentParser:
    import argparse  # few set these flags

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise _RefusedError(message)

    parser = Parser(add_help=False)
    for names in _OPTIONS:
        parser.add_argument(*names, action="append", default=[])
    for names in _SWITCHES:
        parser.add_argument(*names, action="store_true")
    return parser


def _read_env_file(file: Path, variables: Mapping[str, str]) -> Flags:
    """Read a file of `docker run --env-file`; a bare name gets the client's own value."""
    if exists(file) and not is_dir(file) and not is_file(file):
        return Flags({}, unread=f"{file} is a pipe or a device")
    try:
        if exists(file) and file.stat().st_size > MAX_BYTES:
            return Flags({}, unread=f"{file} is too large to be read here")
        data = files.read_bytes(file, limit=2 * MAX_BYTES)
        if data is None:
            return Flags({}, problem=f"{file}, which it names, is not there")
        lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").readlines()
    except (FileUnreadableError, UnicodeDecodeError):
        return Flags({}, problem=f"{file}, which it names, cannot be read")
    values = {}
    for line in map(str.strip, lines):
        name, equals, given = line.partition("=")
        value = given if equals else variables.get(name, "")
        if line and not line.startswith("#") and (equals or value):
            values[name] = Handed(value, file, yields_to_docker=True)
    return Flags(values)


def _from_dotenv(found: ProfileFile) -> Flags:
    problem = f"{found.file}, which it names, cannot be read" if found.problem else ""
    unread = f"{found.file} {found.unread}" if found.unread else ""
    values = {name: Handed(value, found.file) for name, value in found.values.items()}
    return Flags(values, problem, unread)


def switches(client: LocalStackClient, name: str) -> list[Switch]:
    """List what the flags say of a name; nothing where they take it away or are silent."""
    found = []
    flags = client.flags
    if name in flags.doubtful:
        found.append(Switch("flags", FLAGS, None, _origin(client), "on"))
    handed = flags.values.get(name)
    if handed and handed.value is not None:
        place = _place(client)
        origin = f"{handed.file}, which {place} names" if handed.file else place
        found.append(Switch("flags", name, handed.value, origin, says(handed.value)))
    return found


def failure(client: LocalStackClient) -> list[Switch]:
    """Name flags with which no container starts: nothing is sent."""
    if not client.flags.problem:
        return []
    return [Switch("flags", f"unreadable {FLAGS}", None, _origin(client), "off")]


def cautions(client: LocalStackClient, switches: Sequence[Switch]) -> Iterator[Caution]:
    """Warn where the flags decide against an opt-out, or are not known to the last word."""
    flags, decider = client.flags, first_heeded(switches)
    if flags.problem:
        message = f"{_place(client)}: {flags.problem}. No container starts with it, for now."
        yield Caution("flags-unreadable", message, f"repair {_place(client)}")
    if flags.unread:
        message = f"{flags.unread}; its content is not known, so it does not count."
        yield Caution("flags-not-read", message, f"export {PREFIXED}=1")
    if flags.doubtful:
        message = (
            f"{_place(client)} holds what LocalStack's own parser does not know, so it is read "
            "without that; docker may take it."
        )
        yield Caution("flags-not-understood", message, f"spell it -e {PREFIXED}=1")
    if decider.says == "on" and decider.source == "flags" and decider.name != FLAGS:
        said = f"{decider.name}={decider.value} in {decider.origin}"
        message = f"{said} is handed to the container and beats every variable and profile."
        yield Caution("flags-win", message, way_off(decider))
    beaten = [each for each in switches if each.source == "flags" and each.says == "on"]
    if decider.says == "off" and beaten and not flags.problem:
        said = f"{beaten[0].name}={beaten[0].value} in {beaten[0].origin} reaches the container"
        message = f"{said} too; only {decider.name}={decider.value} beats it there."
        yield Caution("flags-beaten", message, f"take {beaten[0].name} out of {beaten[0].origin}")
    yield from _file_that_docker_beats(client, decider)
    yield from _entrypoint_replaced(client, decider)


def _file_that_docker_beats(client: LocalStackClient, decider: Switch) -> Iterator[Caution]:
    """Warn of an opt-out in a file of `--env-file` that a variable says the contrary of."""
    handed = client.flags.values.get(decider.name)
    given = client.variables.get(decider.name)
    is_off = decider.says == "off" and decider.source == "flags"
    if is_off and handed and handed.yields_to_docker and given is not None and not is_true(given):
        message = (
            f"{decider.name}={given} is set beside {decider.origin}. LocalStack's own reading lets "
            "the file win; docker's command line, which it calls on a host, lets the variable win."
        )
        yield Caution("env-file-may-lose", message, f"export {decider.name}=1")


def _entrypoint_replaced(client: LocalStackClient, decider: Switch) -> Iterator[Caution]:
    """Warn where the program that heeds the prefixed name may not be run."""
    by_prefix = decider.name == PREFIXED and decider.says == "off"
    if by_prefix and "ENTRYPOINT" in client.variables and not is_true(client.in_container(PLAIN)):
        message = (
            f"ENTRYPOINT is set. It replaces the program that makes {PLAIN} of {PREFIXED} in the "
            "container."
        )
        yield Caution("entrypoint-replaced", message, f"export {PLAIN}=1")


def way_off(switch: Switch) -> str:
    """Say what helps against flags: the prefixed name beats the plain one in the container."""
    if switch.name == PLAIN:
        return f"export {PREFIXED}=1"
    if switch.origin == FLAGS:
        return f'export {FLAGS}="${FLAGS} -e {PREFIXED}=1"'
    return f"take {switch.name} out of {switch.origin}"


def _place(client: LocalStackClient) -> str:
    if FLAGS in client.environment.variables:
        return FLAGS
    return f"{FLAGS} in {_origin(client)}"


def _origin(client: LocalStackClient) -> str:
    """Name the file that sets the flags, or the environment."""
    if FLAGS in client.environment.variables:
        return "environment"
    setting = [each.file for each in client.profiles.active if FLAGS in each.values]
    return str(setting[-1]) if setting else ""
