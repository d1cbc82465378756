"""LocalStack's Python client on this machine: the rules of its version, its variables and folders.

Facts, parts 4 to 6. Nothing here runs the client or asks Docker. Where a rule begins comes from
the facts sheet and from reading the published wheels: profile lists came between 3.0.2 and 3.3.0,
`product` and `edition` with 4.2.0, the three-part system string with 4.14.0; the 2026 command
line that was split off later has the 4.12 rules again.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.tools import localstack_profiles as profile_files
from usagectl.tools.base import (
    Installation,
    Source,
    exists,
    find_executable,
    glob_quietly,
    is_dir,
    is_file,
)
from usagectl.tools.localstack_profiles import is_true, parse_boolean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.machine.environment import Environment
    from usagectl.tools.localstack_profiles import Profiles

NAME = "localstack"
VOLUME_CACHE = "/var/lib/localstack/cache"

NEWEST_KNOWN = "2026.8.2"
"""The newest version whose rules were read; its rules hold where LocalStack is not installed."""

_DISTRIBUTIONS = ("localstack_core", "localstack")
_IMAGE_MARKERS = (
    "/usr/lib/localstack/.community-version",
    "/usr/lib/localstack/.pro-version",
    "/tmp/localstack/.marker",  # noqa: S108  (the client's own literal)
)
_ENGINE_MARKERS = ("/.dockerenv", "/run/.containerenv")
_CGROUP_FOLDERS = ("/sys/fs/cgroup/memory/docker", "/sys/fs/cgroup/docker")
_SLICES = ("/sys/fs/cgroup/memory/system.slice", "/sys/fs/cgroup/system.slice")
_ROOT_MOUNT_FIELDS = 4


class Rules(NamedTuple):
    """Behaviour of one version.

    Attributes:
        version: as the package says it.
        reads_profile_list: whether CONFIG_PROFILE may name several profiles.
        machine_id: `short` for 1.x (8 hex digits), `prefixed` since 2.3.2.
        container_test: which marks count as a container.
        system: which text goes into the system field.
        has_product: whether `product` and `edition` are sent.
        has_container_runtime: whether `container_runtime` is sent.
    """

    version: str
    reads_profile_list: bool
    machine_id: Literal["short", "prefixed"]
    container_test: Literal["v1", "markers", "runtimes"]
    system: Literal["platform", "os-type", "summary"]
    has_product: bool
    has_container_runtime: bool


def parse_version(text: str) -> tuple[int, ...]:
    """Turn `4.12.0` or `1.0.5.dev` into comparable numbers; () when it begins with no number."""
    match = re.match(r"\d+(?:\.\d+)*", text.strip())
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def is_known(version: str) -> bool:
    """True if the rules of a version were read: 1 to 4, then the versions named by the year."""
    number = parse_version(version)
    return (1, 0) <= number < (5,) or (2026,) <= number <= parse_version(NEWEST_KNOWN)


def rules_for(version: str | None) -> Rules:
    """Return the rules of a version; those of the newest known when it is unknown."""
    text = version or NEWEST_KNOWN
    number = parse_version(text) or parse_version(NEWEST_KNOWN)
    is_runtime_2026 = (2026,) <= number < (2026, 4)
    has_summary = is_runtime_2026 or (4, 14) <= number < (2026,)
    is_old = number < (2,)
    return Rules(
        version=text,
        reads_profile_list=number >= (3, 1),
        machine_id="short" if is_old else "prefixed",
        container_test="v1" if is_old else "runtimes" if is_runtime_2026 else "markers",
        system="platform" if is_old else "summary" if has_summary else "os-type",
        has_product=number >= (4, 2),
        has_container_runtime=is_runtime_2026,
    )


class LocalStackClient:
    """The installed client's view of an environment: rules, profiles, variables."""

    def __init__(self, environment: Environment, *, version: str | None = None) -> None:
        self.environment = environment
        self._version = version

    @cached_property
    def installation(self) -> Installation:
        """Find the client."""
        return find(self.environment)

    @cached_property
    def rules(self) -> Rules:
        """Return the rules of the version asked for, else installed, else newest known."""
        return rules_for(self._version or self.installation.version)

    @cached_property
    def profiles(self) -> Profiles:
        """Read the active profiles."""
        reads_list = self.rules.reads_profile_list
        return profile_files.load(self.environment, reads_list=reads_list)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Return the client's variables once it has read its profiles."""
        return self.profiles.merged_with(self.environment.variables)

    @cached_property
    def is_in_container(self) -> bool:
        """True if the client takes this machine for a container."""
        return is_in_container(self.environment, self.rules)

    @cached_property
    def cache_dir(self) -> tuple[Path, Source]:
        """Name the folder of the command line's `machine.json`, and what chose it."""
        if self.is_in_container:
            return self.environment.at_root(VOLUME_CACHE), "state"
        folder, source = user_cache_dir(self.environment, self.variables)
        return folder / "localstack-cli", source


def user_cache_dir(environment: Environment, variables: Mapping[str, str]) -> tuple[Path, Source]:
    """Name the user's cache folder as LocalStack's `get_user_cache_dir` does."""
    home = environment.home or environment.cwd / "~"
    if environment.system == "Windows":
        local = variables.get("LOCALAPPDATA")
        chosen = Path(local) / "cache" if local else environment.cwd / "%LOCALAPPDATA%" / "cache"
        return chosen, "environment" if local else "default"
    if environment.system == "Darwin":
        return home / "Library" / "Caches", "default"
    xdg = variables.get("XDG_CACHE_HOME", "")
    if environment.system == "Linux" and xdg.startswith("/"):
        return Path(xdg), "environment"
    return home / ".cache", "default"


def temporary_dir(environment: Environment) -> Path:
    """Name the folder for temporary files as Python does: TMPDIR, TEMP, TMP, else the system's."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        if environment.variables.get(name):
            return environment.cwd / environment.variables[name]
    return environment.at_root("/tmp")  # noqa: S108


def find(environment: Environment) -> Installation:
    """Find LocalStack's command on PATH; read its version from the metadata of its packages."""
    executable = find_executable(NAME, environment)
    if executable is None:
        return Installation(installed=False)
    for folder in _package_folders(executable, environment):
        for distribution in _DISTRIBUTIONS:
            for info in glob_quietly(folder, f"{distribution}-*.dist-info"):
                version = info.name.removesuffix(".dist-info").rpartition("-")[2]
                return Installation(
                    installed=True, executable=executable, version=version, packages=folder
                )
    return Installation(installed=True, executable=executable)


def _package_folders(executable: Path, environment: Environment) -> Iterator[Path]:
    for prefix in dict.fromkeys(_prefixes(executable)):
        yield from glob_quietly(prefix, "lib/python*/site-packages")
        yield from glob_quietly(prefix, "lib/python3/dist-packages")
        yield from glob_quietly(prefix, "local/lib/python*/dist-packages")
        yield prefix / "Lib" / "site-packages"
    if environment.home:
        yield from glob_quietly(environment.home, ".local/lib/python*/site-packages")


def _prefixes(executable: Path) -> Iterator[Path]:
    # The interpreter decides what is imported; the folder of a link on PATH says least.
    for program in (_interpreter(executable), executable.resolve(), executable):
        if program is not None:
            yield program.parent.parent


def _interpreter(script: Path) -> Path | None:
    try:
        if not is_file(script):  # A pipe would hang the command.
            return None
        with script.open("rb") as stream:
            first = stream.readline(512)
    except OSError:
        return None
    words = first.removeprefix(b"#!").split() if first.startswith(b"#!") else []
    program = Path(words[0].decode(errors="replace")) if words else None
    # `/usr/bin/env` and `/bin/sh` say nothing about where Python lies.
    return program if program and program.name.startswith(("python", "pypy")) else None


def is_in_container(environment: Environment, rules: Rules) -> bool:
    """True if the client's own `is_docker` would be; marker files lie below the root.

    OVERRIDE_IN_DOCKER counts from the environment alone: the client reads it
    before its profiles.
    """
    override = environment.variables.get("OVERRIDE_IN_DOCKER")
    if rules.container_test == "v1":
        return is_true(override) or _has_engine_marker(environment) or _cgroup_says_so(environment)
    chosen = parse_boolean(override)
    if chosen is not None:
        return chosen
    if rules.container_test == "runtimes":
        return container_runtime(environment) != "none"
    if _has_image_marker(environment) or _has_engine_marker(environment):
        return True
    if not _has_cgroup_file(environment) or _is_docker_host(environment):
        return False
    return _cgroup_says_so(environment) or _root_is_containerd(environment)


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


def _has_cgroup_file(environment: Environment) -> bool:
    return exists(environment.at_root("/proc/1/cgroup"))


def _cgroup_says_so(environment: Environment) -> bool:
    if not _has_cgroup_file(environment) or _is_docker_host(environment):
        return False
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
    for line in _read_text(environment, "/proc/mounts").splitlines():
        fields = line.strip().split()
        if not fields or fields[0].startswith("#") or len(fields) < _ROOT_MOUNT_FIELDS:
            continue
        if fields[1] == "/" and "io.containerd" in fields[3]:
            return True
    return False


def _read_text(environment: Environment, path: str) -> str:
    try:
        return environment.at_root(path).read_text(errors="replace")
    except OSError:
        return ""
