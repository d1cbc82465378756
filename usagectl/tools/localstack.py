"""Own which switches LocalStack's command line and its container obey, in which order.

Facts, parts 1, 4 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.tools import localstack_cautions as cautions_of
from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    IdentityFile,
    Installation,
    PartReading,
    Switch,
    Tool,
    environment_switch,
)
from usagectl.tools.localstack_client import (
    NAME,
    PLAIN,
    PREFIXED,
    VOLUME_CACHE,
    LocalStackClient,
    find,
    temporary_dir,
    user_cache_dir,
)
from usagectl.tools.localstack_rules import is_true

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Telemetry


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


def _read_cli(client: LocalStackClient) -> PartReading:
    variables = client.environment.variables
    switches = [*_failure(client), *_variable(variables, PLAIN), *_profile(client, PLAIN), _DEFAULT]
    is_on = next(switch.says for switch in switches if switch.says) == "on"
    switches += _ignored(variables, (PREFIXED, "DO_NOT_TRACK"))
    cautions = [*cautions_of.ignored_values(switches), *cautions_of.unreadable_profile(client)]
    if is_on:
        cautions += cautions_of.environment_wins(switches)
        cautions += cautions_of.profile_not_read(client)
        cautions += cautions_of.prefixed_name_not_read(client)
        cautions += cautions_of.dropped_opt_out(client)
        cautions += cautions_of.do_not_track_ignored(variables)
    else:
        cautions += cautions_of.profiles_without_opt_out(client, switches)
    endpoint = (variables.get("ANALYTICS_API") or LOCALSTACK_ENDPOINT).rstrip("/")
    return PartReading(NAME, "cli", endpoint, tuple(switches), cautions=tuple(cautions))


def _read_container(client: LocalStackClient) -> PartReading:
    variables = client.environment.variables
    switches = list(_failure(client))
    for name in (PREFIXED, PLAIN):  # The entry point lets the prefixed name win.
        switches += [*_variable(variables, name), *_profile(client, name)]
    switches.append(_DEFAULT)
    is_on = next(switch.says for switch in switches if switch.says) == "on"
    switches += _ignored(variables, ("DO_NOT_TRACK",))
    cautions = [*cautions_of.ignored_values(switches), *cautions_of.unreadable_profile(client)]
    if is_on:
        cautions += cautions_of.environment_wins(switches)
        cautions += cautions_of.profile_not_read(client)
        cautions += cautions_of.do_not_track_ignored(variables)
        cautions += cautions_of.prefixed_name_wins(switches)
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
        Switch("profile", "unreadable profile", None, str(profile.file), "off")
        for profile in client.profiles.active
        if profile.problem
    ][:1]


def _ignored(variables: Mapping[str, str], names: Iterable[str]) -> list[Switch]:
    return [environment_switch(variables, name, says=None) for name in names if name in variables]


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
    elif client.installation.packages:
        below = client.installation.packages / ".filesystem" / VOLUME_CACHE.lstrip("/")
        yield IdentityFile(NAME, "container", below / "machine.json", "json", is_primary=False)
    legacy = variables.get("CACHE_DIR", "").strip()
    old = environment.cwd / legacy if legacy else temporary_dir(environment) / "localstack/cache"
    source = "environment" if legacy else "default"
    yield IdentityFile(
        NAME, "container", old / "machine.json", "json", is_primary=False, source=source
    )
