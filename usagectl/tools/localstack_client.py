"""LocalStack's Python client on this machine: the rules of its version, its variables and folders.

Facts, parts 4 to 6. Nothing here runs the client or asks Docker. Where a rule begins comes from
the facts sheet and from reading the published wheels: profile lists came between 3.0.2 and 3.3.0,
`product` and `edition` with 4.2.0, the three-part system string with 4.14.0; the 2026 command
line that was split off later has the 4.12 rules again.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING

from usagectl.errors import FileUnreadableError
from usagectl.machine import files
from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    Switch,
    exists,
    files_ending,
    is_dir,
    is_file,
)
from usagectl.tools.python_programs import find_python_program, releases_of
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Installation, Telemetry
    from usagectl.tools.localstack_dotenv import Dialect
    from usagectl.tools.localstack_flags import Flags, Handed

NAME = "localstack"

NEWEST_KNOWN = "2026.8.2"
"""The newest version whose rules were read; its rules hold where LocalStack is not installed."""

PLAIN = "DISABLE_EVENTS"
PREFIXED = "LOCALSTACK_DISABLE_EVENTS"
"""The name that reaches the container and lstk; LocalStack's own command line does not read it."""

FLAGS = "DOCKER_FLAGS"
"""Words for `docker run`, which can hand variables to the container past all others."""

DEFAULT = Switch("default", "no switch", None, "", "on")
"""What decides where nothing is set, for lstk too."""

_CLI_ENDPOINT = "ANALYTICS_API"
ENDPOINT_VARIABLES = {"cli": _CLI_ENDPOINT, "container": "LOCALSTACK_ANALYTICS_API"}

MAX_BYTES = 1024 * 1024
"""The client has no bound. What a larger profile says counts as unknown, never as off."""

_SUFFIX = ".env"
_TRUE = ("1", "true", "True")
_FALSE = ("0", "false", "False")
_DISTRIBUTIONS = ("localstack_core", "localstack")
_IMAGE_MARKERS = (
    "/usr/lib/localstack/.community-version",
    "/usr/lib/localstack/.pro-version",
    "/tmp/localstack/.marker",  # noqa: S108  (the client's own literal)
)
_ENGINE_MARKERS = ("/.dockerenv", "/run/.containerenv")
_CGROUP_FOLDERS = ("/sys/fs/cgroup/memory/docker", "/sys/fs/cgroup/docker")
_SLICES = ("/sys/fs/cgroup/memory/system.slice", "/sys/fs/cgroup/system.slice")
_MOUNT_FIELDS = 4


def parse_version(text: str) -> tuple[int, ...]:
    """Turn `4.12.0` or `1.0.5.dev` into comparable numbers; () when it begins with no number."""
    match = re.match(r"\d+(?:\.\d+)*", text.strip())
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def is_known(version: str) -> bool:
    """True if the rules of a version were read: 1 to 4, then the versions named by the year."""
    number = parse_version(version)
    return (1, 0) <= number < (5,) or (2026,) <= number <= parse_version(NEWEST_KNOWN)


class Rules:
    """Behaviour of one version; that of the newest known when it is unknown."""

    def __init__(self, version: str | None) -> None:
        self.version = version or NEWEST_KNOWN
        number = parse_version(self.version) or parse_version(NEWEST_KNOWN)
        # An ID of 8 hex digits, and tests of its own for a container.
        self.is_first_edition = number < (2,)
        self.reads_profile_list = number >= (3, 1)
        self.has_product = number >= (4, 2)  # And an edition.
        # It looks for the container's runtime, and sends it.
        self.has_container_runtime = (2026,) <= number < (2026, 4)
        # The system field has three parts.
        self.has_summary = self.has_container_runtime or (4, 14) <= number < (2026,)


def is_true(value: str | None) -> bool:
    """Apply LocalStack's own truth test: `1` or `true`, any case, trimmed (facts, part 5)."""
    return value is not None and value.lower().strip() in _TRUE


def says(value: str) -> Telemetry:
    """Say what LocalStack makes of a value of one of its switches."""
    return "off" if is_true(value) else "on"


def parse_boolean(value: str | None) -> bool | None:
    """Apply LocalStack's own three-way test: True, False, or None for anything else."""
    text = (value or "").lower().strip()
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


class ProfileFile(Value):
    """One profile: its file and what it sets."""

    file: Path  # Where it is looked for.
    values: Mapping[str, str | None]  # What it sets; a bare name without `=` has None.
    problem: str = ""  # Why the client would stop at it, else empty.
    unread: str = ""  # Why its content is not known, as the end of a sentence, else empty.


class Profiles(Value):
    """The active profiles in the order in which the client reads them, and their folder."""

    folder: Path
    active: tuple[ProfileFile, ...]

    def name_of(self, file: Path) -> str:
        """Name a profile as CONFIG_PROFILE does."""
        return str(file).removeprefix(f"{self.folder}{os.sep}").removesuffix(_SUFFIX)

    @property
    def problem(self) -> str:
        """Say why the client would stop at start; empty when it does not."""
        return next((profile.problem for profile in self.active if profile.problem), "")

    @property
    def values(self) -> dict[str, str | None]:
        """Merge what the profiles set; a later file wins, a bare name takes a value away."""
        merged: dict[str, str | None] = {}
        for profile in self.active:
            merged |= profile.values
        return merged


class LocalStackClient:
    """The installed client's view of an environment: rules, profiles, variables."""

    def __init__(
        self,
        environment: Environment,
        *,
        version: str | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        self.environment = environment
        self._version = version
        self._dialect = dialect

    @cached_property
    def installation(self) -> Installation:
        """Find the command on PATH and its version in its packages' metadata."""
        return find_python_program(NAME, _DISTRIBUTIONS, self.environment)

    @cached_property
    def possible_dialects(self) -> tuple[Dialect, ...]:
        """List the ways in which it may read files: one where its python-dotenv is found."""
        from usagectl.tools.localstack_dotenv import DIALECTS, dialect_of  # where a file is read

        found = releases_of("python_dotenv", "dotenv", self.installation, self.environment)
        return tuple(dict.fromkeys(dialect_of(parse_version(each)) for each in found)) or DIALECTS

    @cached_property
    def dialect(self) -> Dialect:
        """Return the way in which files are read here: the one asked for, else the likeliest."""
        return self._dialect or self.possible_dialects[0]

    @cached_property
    def rules(self) -> Rules:
        """Return the rules of the version asked for, else installed, else newest known."""
        return Rules(self._version or self.installation.version)

    @cached_property
    def profiles(self) -> Profiles:
        """Read every profile that CONFIG_PROFILE names, else `default`, as the client does.

        A version that does not read a list takes the whole text for one name.
        """
        variables, folder = self.environment.variables, config_dir(self.environment)
        text = variables.get("CONFIG_PROFILE", "").strip() or "default"
        names = text.split(",") if self.rules.reads_profile_list else [text]
        chosen = (folder / f"{name.strip()}{_SUFFIX}" for name in names)
        active = tuple(self.read_profile(file) for file in chosen)
        return Profiles(folder, tuple(_mark_unholdable(active, variables)))

    def read_profile(self, file: Path) -> ProfileFile:
        """Read one profile; what is wrong with it is part of the result."""
        if not exists(file):
            return ProfileFile(file, values={})
        return _read_profile(file, self.environment.variables, self.dialect)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Return the client's variables once it has read its profiles; the environment wins."""
        values = self.profiles.values.items()
        set_there = {name: value for name, value in values if value is not None}
        return {**set_there, **self.environment.variables}

    @cached_property
    def flags(self) -> Flags:
        """Read what DOCKER_FLAGS hand to the container."""
        from usagectl.tools import localstack_flags  # few set them

        text = self.variables.get(FLAGS, "").strip()
        cwd, variables = self.environment.cwd, self.variables

        def read_dotenv(file: Path) -> ProfileFile:
            return _read_profile(file, variables, self.dialect)

        return localstack_flags.read(text, variables, cwd=cwd, read_dotenv=read_dotenv)

    @property
    def handed(self) -> Mapping[str, Handed]:
        """Return what flags hand to the container, by name."""
        return self.flags.values if FLAGS in self.variables else {}

    def in_container(self, name: str) -> str | None:
        """Return what a variable is set to in the container; its flags win."""
        handed = self.handed.get(name)
        return handed.value if handed else self.variables.get(name)

    @cached_property
    def is_in_container(self) -> bool:
        """True if the client's own `is_docker` would be; marker files lie below the root.

        OVERRIDE_IN_DOCKER counts from the environment alone: the client reads it
        before its profiles.
        """
        environment = self.environment
        override = environment.variables.get("OVERRIDE_IN_DOCKER")
        trusts_cgroup = _trusts_cgroup(environment)
        if self.rules.is_first_edition:
            by_cgroup = trusts_cgroup and _cgroup_says_so(environment)
            return is_true(override) or _has_engine_marker(environment) or by_cgroup
        chosen = parse_boolean(override)
        if chosen is not None:
            return chosen
        if self.rules.has_container_runtime:
            return container_runtime(environment) != "none"
        if _has_image_marker(environment) or _has_engine_marker(environment):
            return True
        by_mount = _root_is_containerd(environment)
        return trusts_cgroup and (by_mount or _cgroup_says_so(environment))

    def endpoint(self, part: str) -> str:
        """Name the base URL of a part; the command line reads its own before the profiles.

        Only flags hand the name without a prefix to the container.
        """
        chosen = self.environment.variables.get(_CLI_ENDPOINT)
        if part == "container":
            handed = self.handed.get(_CLI_ENDPOINT)
            prefixed = self.in_container(ENDPOINT_VARIABLES[part])
            chosen = (handed and handed.value) if prefixed is None else prefixed
        return (chosen or LOCALSTACK_ENDPOINT).rstrip("/")


def possible_clients(environment: Environment) -> tuple[LocalStackClient, ...]:
    """Return one client for each way in which the installed one may read its files.

    It is one where its python-dotenv is found, or where no file is there to be read.
    """
    first = LocalStackClient(environment)
    names = (profile.file for profile in first.profiles.active)
    if not any(map(exists, names)) and FLAGS not in environment.variables:
        return (first,)
    others = first.possible_dialects[1:]  # The first one reads by the likeliest already.
    return (first, *(LocalStackClient(environment, dialect=each) for each in others))


def config_dir(environment: Environment) -> Path:
    """Name the folder of the profiles: CONFIG_DIR, even empty, else `~/.localstack`."""
    chosen = environment.variables.get("CONFIG_DIR")
    # Without any home the client looks into a folder named "~".
    usual = (environment.home or environment.cwd / "~") / ".localstack"
    return usual if chosen is None else environment.cwd / chosen


def _mark_unholdable(
    active: tuple[ProfileFile, ...], variables: Mapping[str, str]
) -> Iterator[ProfileFile]:
    """Mark the files whose winning values no environment can hold; a later file may repair one."""
    winners = {name: profile.file for profile in active for name in profile.values}
    for profile in active:
        file, values = profile.file, profile.values
        winning = {name: values[name] for name in values if winners[name] == file}
        reason = why_unholdable(winning, variables)
        problem = f"{file} cannot be understood: {reason}."
        yield profile._replace(problem=problem) if reason else profile


def other_files(profiles: Profiles) -> tuple[Path, ...]:
    """List the profiles in the folder that are not active."""
    active = {profile.file for profile in profiles.active}
    return tuple(f for f in files_ending(profiles.folder, _SUFFIX) if f not in active)


def _read_profile(file: Path, variables: Mapping[str, str], dialect: Dialect) -> ProfileFile:
    found = ProfileFile(file, values={})
    if not exists(file):
        return found
    if not file.is_file():
        # python-dotenv takes a folder or a device (a link to /dev/null) for an empty file. A
        # pipe may be served by a password manager: a look would take its content away.
        is_read = file.is_fifo() and dialect.reads_pipes
        return found._replace(unread="is a pipe" if is_read else "")
    try:
        if file.stat().st_size > MAX_BYTES:
            return found._replace(unread="is too large to be read here")
        data = files.read_bytes(file, limit=2 * MAX_BYTES) or b""
    except FileUnreadableError as error:
        return found._replace(problem=error.message)
    return _parse_profile(found, data, variables, dialect)


def _parse_profile(
    found: ProfileFile, data: bytes, variables: Mapping[str, str], dialect: Dialect
) -> ProfileFile:
    from usagectl.tools.localstack_dotenv import ExpansionTooLargeError, parse

    try:
        return found._replace(values=parse(data, variables, dialect))
    except ExpansionTooLargeError:
        return found._replace(unread="has values that are too long to be read here")
    except UnicodeDecodeError:
        return found._replace(problem=f"{found.file} cannot be understood: it is not UTF-8.")


def why_unholdable(values: Mapping[str, str | None], variables: Mapping[str, str]) -> str:
    """Say why the client stops when it puts these into its environment; empty if it does not."""
    for name, value in values.items():
        if value is not None and name not in variables:
            if not name or "=" in name:
                return "it sets a name that no environment can hold"
            if "\0" in name + value:
                return "it holds a NUL character"
    return ""


def container_runtime(environment: Environment) -> str:
    """Name the runtime as 2026.3 does: Kubernetes before Podman before Docker."""
    secrets = environment.at_root("/var/run/secrets/kubernetes.io/serviceaccount")
    if environment.variables.get("KUBERNETES_SERVICE_HOST") or is_dir(secrets):
        return "kubernetes"
    if exists(environment.at_root("/run/.containerenv")):
        return "podman"
    if exists(environment.at_root("/.dockerenv")):
        return "docker"
    if _root_is_containerd(environment):
        return "containerd"
    return "generic" if _has_image_marker(environment) else "none"


def _has_image_marker(environment: Environment) -> bool:
    return any(is_file(environment.at_root(marker)) for marker in _IMAGE_MARKERS)


def _has_engine_marker(environment: Environment) -> bool:
    return any(exists(environment.at_root(marker)) for marker in _ENGINE_MARKERS)


def _trusts_cgroup(environment: Environment) -> bool:
    return exists(environment.at_root("/proc/1/cgroup")) and not _is_docker_host(environment)


def _cgroup_says_so(environment: Environment) -> bool:
    text = _read_text(environment, "/proc/1/cgroup")
    if "docker" in text or "buildkit" in text:
        return True
    return bool(environment.host_name) and environment.host_name in text


def _is_docker_host(environment: Environment) -> bool:
    """True if this machine runs containers itself, which the client takes for a host.

    The four looks are one `any([...])` of the client inside a try: the first
    folder that cannot be listed ends it without an answer.
    """
    try:
        looks = (
            environment.at_root(_CGROUP_FOLDERS[0]).exists(),
            _lists_docker(environment, _SLICES[0]),
            environment.at_root(_CGROUP_FOLDERS[1]).exists(),
            _lists_docker(environment, _SLICES[1]),
        )
    except OSError:
        return False
    return any(looks)


def _lists_docker(environment: Environment, folder: str) -> bool:
    return any("docker-" in path.name for path in environment.at_root(folder).iterdir())


def _root_is_containerd(environment: Environment) -> bool:
    lines = _read_text(environment, "/proc/mounts").splitlines()
    mounts = (line.split() for line in lines if not line.lstrip().startswith("#"))
    options = [fields[3] for fields in mounts if len(fields) >= _MOUNT_FIELDS and fields[1] == "/"]
    return any("io.containerd" in each for each in options)


def _read_text(environment: Environment, path: str) -> str:
    try:
        return environment.at_root(path).read_text(errors="replace")
    except OSError:
        return ""
