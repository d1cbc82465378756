"""Own what is known of LocalStack's Python command line and its container.

Facts, parts 1, 4 and 5. Nothing here runs the client or asks Docker.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.tools import profiles as profile_files
from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    Caution,
    IdentityFile,
    Installation,
    PartReading,
    Source,
    Switch,
    Telemetry,
    Tool,
    environment_switch,
    find_executable,
    is_file,
    is_no,
)
from usagectl.tools.detection import is_in_container
from usagectl.tools.localstack_rules import Rules, is_true, rules_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from usagectl.environment import Environment
    from usagectl.tools.profiles import Profiles

NAME = "localstack"
PLAIN = "DISABLE_EVENTS"
PREFIXED = "LOCALSTACK_DISABLE_EVENTS"
VOLUME_CACHE = "/var/lib/localstack/cache"

_DISTRIBUTIONS = ("localstack_core", "localstack")


class LocalStackClient:
    """Hold the installed client's view of an environment: rules, profiles, variables."""

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
        return profile_files.load(self.environment, self.rules)

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Return the client's environment once it has read its profiles."""
        return self.profiles.merged_with(self.environment.variables)

    @cached_property
    def is_in_container(self) -> bool:
        """Tell whether the client takes this place for a container."""
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


class LocalStack(Tool):
    """Describe LocalStack, parts `cli` and `container`."""

    name = NAME
    parts = ("cli", "container")
    always_counts = True

    def find(self, environment: Environment) -> Installation:
        """Find the command on PATH and its version in its packages' metadata."""
        return find(environment)

    def read(self, environment: Environment) -> tuple[PartReading, ...]:
        """Read the switches of both parts."""
        client = LocalStackClient(environment)
        return (_read_cli(client), _read_container(client))

    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:
        """Name the command line's file, the volume's, and those of older versions."""
        return tuple(_identity_files(LocalStackClient(environment)))


def find(environment: Environment) -> Installation:
    """Find LocalStack's command on PATH; its version is read, not asked for."""
    executable = find_executable(NAME, environment)
    if executable is None:
        return Installation(installed=False)
    for folder in _package_folders(executable, environment):
        for distribution in _DISTRIBUTIONS:
            for info in sorted(folder.glob(f"{distribution}-*.dist-info")):
                version = info.name.removesuffix(".dist-info").rpartition("-")[2]
                return Installation(installed=True, executable=executable, version=version)
    return Installation(installed=True, executable=executable)


def _package_folders(executable: Path, environment: Environment) -> Iterator[Path]:
    for prefix in dict.fromkeys(_prefixes(executable)):
        yield from prefix.glob("lib/python*/site-packages")
        yield from prefix.glob("lib/python3/dist-packages")
        yield from prefix.glob("local/lib/python*/dist-packages")
        yield prefix / "Lib" / "site-packages"
    if environment.home:
        yield from environment.home.glob(".local/lib/python*/site-packages")


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
    # `/usr/bin/env` and `/bin/sh` tell nothing of where Python lies.
    return program if program and program.name.startswith(("python", "pypy")) else None


def _read_cli(client: LocalStackClient) -> PartReading:
    variables = client.environment.variables
    switches = [*_failure(client), *_variable(variables, PLAIN), *_profile(client, PLAIN), _DEFAULT]
    is_on = next(switch.says for switch in switches if switch.says) == "on"
    switches += _ignored(variables, (PREFIXED, "DO_NOT_TRACK"))
    cautions = [*_odd_values(switches), *_profile_failure(client)]
    if is_on:
        cautions += _pipe_caution(client)
        cautions += _prefixed_caution(client)
        cautions += _dropped_profiles(client)
        cautions += _do_not_track_caution(variables)
    else:
        cautions += _unprotected_profiles(client, switches)
    endpoint = (variables.get("ANALYTICS_API") or LOCALSTACK_ENDPOINT).rstrip("/")
    return PartReading(NAME, "cli", endpoint, tuple(switches), cautions=tuple(cautions))


def _read_container(client: LocalStackClient) -> PartReading:
    variables = client.environment.variables
    switches = list(_failure(client))
    for name in (PREFIXED, PLAIN):  # The entry point lets the prefixed name win.
        switches += _variable(variables, name) or _profile(client, name)
    switches.append(_DEFAULT)
    is_on = next(switch.says for switch in switches if switch.says) == "on"
    switches += _ignored(variables, ("DO_NOT_TRACK",))
    cautions = [*_odd_values(switches), *_profile_failure(client)]
    if is_on:
        cautions += _pipe_caution(client)
        cautions += _do_not_track_caution(variables)
        cautions += _beaten_plain(switches)
    endpoint = client.variables.get("LOCALSTACK_ANALYTICS_API") or LOCALSTACK_ENDPOINT
    return PartReading(
        NAME, "container", endpoint.rstrip("/"), tuple(switches), cautions=tuple(cautions)
    )


_DEFAULT = Switch("default", "no switch", None, "", "on")


def _variable(variables: Mapping[str, str], name: str) -> list[Switch]:
    if name not in variables:
        return []
    return [environment_switch(variables, name, says="off" if is_true(variables[name]) else "on")]


def _profile(client: LocalStackClient, name: str) -> list[Switch]:
    """List what the active profiles say, the last file first: it wins.

    A bare name without `=` in a later file takes the earlier files' value away, and sets none.
    """
    found: list[Switch] = []
    is_taken_away = False
    for profile in reversed(client.profiles.active):
        value = profile.values.get(name)
        if value is not None:
            says: Telemetry | None = "off" if is_true(value) else "on"
            says = None if is_taken_away else says
            found.append(Switch("profile", name, value, str(profile.file), says))
        is_taken_away = is_taken_away or (name in profile.values and value is None)
    return found


def _failure(client: LocalStackClient) -> list[Switch]:
    """Name the file at which the client stops: it ends before it sends."""
    return [
        Switch("profile", profile.file.name, None, str(profile.file), "off")
        for profile in client.profiles.active
        if profile.problem
    ][:1]


def _ignored(variables: Mapping[str, str], names: Iterable[str]) -> list[Switch]:
    return [environment_switch(variables, name, says=None) for name in names if name in variables]


def _profile_failure(client: LocalStackClient) -> list[Caution]:
    problem = client.profiles.problem
    if not problem:
        return []
    message = f"{problem} LocalStack stops with an error there, so it sends nothing for now."
    return [Caution("profile-unreadable", message, "repair or remove that file")]


def _pipe_caution(client: LocalStackClient) -> list[Caution]:
    pipes = [str(profile.file) for profile in client.profiles.active if profile.is_pipe]
    if not pipes:
        return []
    message = f"{', '.join(pipes)} is a pipe; what it will say is not known, so it does not count."
    return [Caution("profile-is-pipe", message, f"export {PLAIN}=1")]


def _odd_values(switches: Iterable[Switch]) -> list[Caution]:
    return [
        Caution(
            "value-ignored",
            f"{switch.name}={switch.value} in {_where(switch)} does not switch anything off: "
            "LocalStack takes only 1 or true for a yes.",
            f"export {switch.name}=1" if switch.source == "environment" else "usagectl disable",
        )
        for switch in switches
        if switch.says == "on" and switch.source != "default" and is_no(switch.value)
    ]


def _where(switch: Switch) -> str:
    return "the environment" if switch.source == "environment" else switch.origin


def _prefixed_caution(client: LocalStackClient) -> list[Caution]:
    if not is_true(client.variables.get(PREFIXED)):
        return []
    message = (
        f"{PREFIXED} silences the container alone; the command line does not read it, "
        "although its own warning tells people to set it."
    )
    return [Caution("prefixed-name-not-read", message, f"export {PLAIN}=1")]


def _dropped_profiles(client: LocalStackClient) -> list[Caution]:
    """Warn when a profile that opts out is not the one that is active."""
    found = client.profiles
    quiet = [
        name
        for name in profile_files.other_names(found)
        if is_true(profile_files.read_other(client.environment, found, name).values.get(PLAIN))
    ]
    if not quiet:
        return []
    active = profile_files.names_in(profile.name for profile in found.active)
    message = (
        f"Profile {profile_files.names_in(quiet)} opts out, but the active profile is {active}, "
        "and LocalStack reads no other."
    )
    return [Caution("profile-drops-opt-out", message, "usagectl disable localstack")]


def _unprotected_profiles(client: LocalStackClient, switches: Iterable[Switch]) -> list[Caution]:
    """Warn when choosing another profile would bring telemetry back."""
    decider = next(switch for switch in switches if switch.says)
    if decider.source != "profile" or client.profiles.problem:
        return []
    found = client.profiles
    loud = [
        name
        for name in profile_files.other_names(found)
        if not is_true(profile_files.read_other(client.environment, found, name).values.get(PLAIN))
    ]
    if not loud:
        return []
    message = (
        f"Profile {profile_files.names_in(loud)} has no opt-out: with --profile or "
        "CONFIG_PROFILE it would switch telemetry on again."
    )
    hint = f"CONFIG_PROFILE={loud[0]} usagectl disable localstack"
    return [Caution("profile-lacks-opt-out", message, hint)]


def _do_not_track_caution(variables: Mapping[str, str]) -> list[Caution]:
    if not is_no(variables.get("DO_NOT_TRACK")):
        return []
    message = "DO_NOT_TRACK is set, but LocalStack does not read it."
    return [Caution("do-not-track-ignored", message, "usagectl disable localstack")]


def _beaten_plain(switches: Iterable[Switch]) -> list[Caution]:
    by_name = [switch for switch in switches if switch.name == PLAIN and switch.says == "off"]
    decider = next(switch for switch in switches if switch.says)
    if not by_name or decider.name != PREFIXED:
        return []
    message = (
        f"{PREFIXED}={decider.value} in {_where(decider)} reaches the container and beats "
        f"{PLAIN}={by_name[0].value} there."
    )
    hint = f"export {PREFIXED}=1" if decider.source == "environment" else "usagectl disable"
    return [Caution("prefixed-name-wins", message, hint)]


def _identity_files(client: LocalStackClient) -> Iterator[IdentityFile]:
    environment, variables = client.environment, client.variables
    folder, source = client.cache_dir
    yield IdentityFile(NAME, "cli", folder / "machine.json", "json", is_primary=True, source=source)
    volume = variables.get("LOCALSTACK_VOLUME_DIR", "").strip()
    user_cache, cache_source = user_cache_dir(environment, variables)
    host = environment.cwd / volume if volume else user_cache / "localstack" / "volume"
    source = "environment" if volume else cache_source
    yield IdentityFile(
        NAME, "container", host / "cache" / "machine.json", "json", is_primary=False, source=source
    )
    root = variables.get("FILESYSTEM_ROOT", "").strip()
    if root:
        below = environment.cwd / root / VOLUME_CACHE.lstrip("/")
        yield IdentityFile(
            NAME,
            "container",
            below / "machine.json",
            "json",
            is_primary=False,
            source="environment",
        )
    legacy = variables.get("CACHE_DIR", "").strip()
    old = environment.cwd / legacy if legacy else environment.at_root("/tmp/localstack/cache")  # noqa: S108
    source = "environment" if legacy else "default"
    yield IdentityFile(
        NAME, "container", old / "machine.json", "json", is_primary=False, source=source
    )
