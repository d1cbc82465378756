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
    from argparse import ArgumentParser, Namespace
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


class Flags(NamedTuple):
    """What DOCKER_FLAGS say."""

    values: Mapping[str, Handed]
    problem: str = ""  # Why no container can be started with them, else empty.
    unread: str = ""  # A file whose content is not known, and why, as a sentence without its end.
    doubtful: str = ""  # What the client's own parser does not know, but docker may.
    by_docker: Mapping[str, str] = {}  # What docker's own command line reads in the files.


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
        found, others = _parse(words)
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
    by_docker = {name: text for flags in read_files for name, text in flags.by_docker.items()}
    return Flags(values, problem, unread, shlex.join(others), by_docker)


def _parse(words: list[str]) -> tuple[Namespace, list[str]]:
    """Parse words as every Python does: some refuse what others take, and any may be there."""
    if any(word.startswith("-h") and word != "-h" for word in words):  # 3.13 takes `-hmine`.
        raise _RefusedError
    return _parser().parse_known_args(words)


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
            values[name] = Handed(value, file)
    return Flags(values, by_docker=_as_docker_reads(data.decode()))


def _as_docker_reads(text: str) -> dict[str, str]:
    """Read it as docker does: without a byte-order mark, and a line ends at a line feed alone."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").split("\n"))
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    return {name: value for name, equals, value in pairs if equals}


def _from_dotenv(found: ProfileFile) -> Flags:
    problem = f"{found.file}, which it names, cannot be read" if found.problem else ""
    unread = f"{found.file} {found.unread}" if found.unread else ""
    values = {name: Handed(value, found.file) for name, value in found.values.items()}
    return Flags(values, problem, unread)


def switches(client: LocalStackClient, name: str) -> list[Switch]:
    """List what the flags say of a name; nothing where they take it away or are silent."""
    found = []
    flags = client.flags
    if name in flags.doubtful or (_may_name_files(flags) and name not in client.variables):
        found.append(Switch("flags", FLAGS, None, _origin(client), "on"))
    handed = flags.values.get(name)
    if handed and handed.value is not None:
        place = _place(client)
        origin = f"{handed.file}, which {place} names" if handed.file else place
        found.append(Switch("flags", name, handed.value, origin, says(handed.value)))
    return found


def _may_name_files(flags: Flags) -> bool:
    """True where docker may read a file of `--env-file` that the client's parser never got to."""
    return "--env-file" in flags.doubtful


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
        way = f"export {PREFIXED}=1" if _may_name_files(flags) else f"spell it -e {PREFIXED}=1"
        yield Caution("flags-not-understood", message, way)
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
    """Warn where docker's command line makes another value of a file and of what is beside it."""
    flags = client.flags
    if decider.says != "off" or flags.problem or not flags.by_docker:
        return
    each_e = {name: one.value for name, one in flags.values.items() if one.file is None}
    got = {**flags.by_docker, **client.variables, **each_e}
    name = PREFIXED if PREFIXED in got else PLAIN
    if not is_true(got.get(name)):
        message = (
            f"{decider.name}={decider.value} wins in LocalStack's own reading of {_place(client)}; "
            f"docker's command line, which it calls on a host, makes {name}={got.get(name, '')} of "
            "it."
        )
        yield Caution("env-file-may-lose", message, f"export {PREFIXED}=1")


def _entrypoint_replaced(client: LocalStackClient, decider: Switch) -> Iterator[Caution]:
    """Warn where the program that heeds the prefixed name may not be run."""
    by_prefix = decider.name == PREFIXED and decider.says == "off"
    by_flag = "--entrypoint" in client.flags.doubtful
    is_replaced = by_flag or "ENTRYPOINT" in client.variables
    if by_prefix and is_replaced and not is_true(client.in_container(PLAIN)):
        cause = _place(client) if by_flag else "ENTRYPOINT"
        message = f"{cause} replaces the program that makes {PLAIN} of {PREFIXED} in the container."
        yield Caution("entrypoint-replaced", message, f"export {PLAIN}=1")


def way_off(switch: Switch) -> str:
    """Say what helps against flags: the prefixed name beats the plain one in the container."""
    if switch.name in (PLAIN, FLAGS):
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
