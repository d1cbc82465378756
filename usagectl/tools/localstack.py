"""LocalStack: which switches its command line and its container obey, and what to warn of.

Facts, parts 1, 4 and 5.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from usagectl import settings
from usagectl.errors import quote
from usagectl.tools.base import (
    Caution,
    IdentityFile,
    Installation,
    PartReading,
    Switch,
    Tool,
    first_heeded,
    is_no,
    variable_switches,
)
from usagectl.tools.localstack_client import (
    DEFAULT,
    FLAGS,
    NAME,
    PLAIN,
    PREFIXED,
    LocalStackClient,
    is_true,
    other_files,
    possible_clients,
    says,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Change, Source, Wish
    from usagectl.tools.previews import PartPreview, PreviewWish


_NAMES = {
    "cli": ((PLAIN,), (PREFIXED, "DO_NOT_TRACK")),
    "container": ((PREFIXED, PLAIN), ("DO_NOT_TRACK",)),
}
"""The names that a part obeys, first the one that wins, and those that it does not read."""

_VOLUME_CACHE = "/var/lib/localstack/cache"


class LocalStack(Tool):
    """LocalStack, parts `cli` and `container`."""

    name = NAME
    parts = ("cli", "container")
    is_previewed_absent = True

    def find(self, environment: Environment) -> Installation:
        """Find the command on PATH and its version in its packages' metadata."""
        return LocalStackClient(environment).installation

    def read(self, environment: Environment) -> tuple[PartReading, ...]:
        """Read the switches of both parts."""
        clients = possible_clients(environment)
        return tuple(_read_as_any(clients, part) for part in self.parts)

    def switch(
        self,
        environment: Environment,
        wish: Wish,
        *,
        dry_run: bool,
        project: bool = False,  # noqa: ARG002  (it has no such file)
    ) -> tuple[Change, ...]:
        """Write DISABLE_EVENTS into the active profiles, or take it out."""
        from usagectl.tools import localstack_profiles  # of no use to status

        return localstack_profiles.switch(environment, wish, dry_run=dry_run)

    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:
        """Name the chosen folder's file, the command line's, the volume's, and older versions'."""
        found = tuple(_identity_files(LocalStackClient(environment)))
        chosen = settings.load(environment).cache_dir
        if not chosen:
            return found
        folder = environment.cwd / chosen
        # The command line's own folder stays the command line's when it is chosen.
        part = next((place.part for place in found if place.path.parent == folder), "container")
        return (_place(folder, "setting", part=part, is_primary=True), *found)

    def preview(self, environment: Environment, wish: PreviewWish) -> tuple[PartPreview, ...]:
        """Build the session request of the command line, and that of a running instance."""
        from usagectl.tools import localstack_instance, localstack_session  # of no use to status

        live = wish.live
        if live is None or not live.instance:
            return (localstack_session.preview(environment, wish),)
        running = localstack_instance.installation(live)
        if LocalStackClient(environment).installation.installed:
            first = localstack_session.preview(environment, wish)
        else:
            known = wish._replace(version=wish.version or running.version)
            first = localstack_session.preview(environment, known)
            first = first._replace(installation=running)
        client = LocalStackClient(environment, version=wish.version)
        return (first, localstack_instance.preview(client, wish, live))

    def sending_environment(self, environment: Environment, version: str | None, /) -> Environment:
        """Return it as `localstack start` does in a container: that command says it is on a host.

        Where the image's own folder is there, every command posts a session by itself.
        """
        from usagectl.tools import localstack_session  # of no use to status

        client = LocalStackClient(environment, version=version)
        if not client.is_in_container or localstack_session.can_name_edition(client):
            return environment
        return environment._replace(variables={**environment.variables, "OVERRIDE_IN_DOCKER": "0"})

    def instance_urls(self, environment: Environment) -> tuple[str, ...]:
        """Name where a running instance may answer: GATEWAY_LISTEN, LOCALSTACK_HOST, EDGE_PORT."""
        from usagectl.tools import localstack_instance  # of no use to status

        return localstack_instance.urls(environment)


def _read_as_any(clients: Sequence[LocalStackClient], part: str) -> PartReading:
    """Read a part; where it is not known how its files are read, the loudest reading counts."""
    readings = [_read(client, part) for client in clients]
    by_verdict = {first_heeded(reading.switches).says: reading for reading in reversed(readings)}
    if len(by_verdict) == 1:
        return readings[0]
    loud = by_verdict["on"]
    quiet = first_heeded(by_verdict["off"].switches)
    message = (
        f"Some releases of python-dotenv read an opt-out in {quiet.origin}, others do not. Which "
        "one LocalStack has was not found, so the opt-out does not count."
    )
    caution = Caution("parser-not-found", message, f"export {PLAIN}=1")
    return loud._replace(cautions=(*loud.cautions, caution))


def _read(client: LocalStackClient, part: str) -> PartReading:
    variables = client.environment.variables
    names, ignored = _NAMES[part]
    said = [switch for name in names for switch in _switches(client, name, part)]
    switches = [*_failure(client, part), *said, DEFAULT]
    is_on = first_heeded(switches).says == "on"
    switches += variable_switches(variables, ignored)
    cautions = [*_ignored_values(switches), *_unreadable_profile(client)]
    if _has_flags(client, part):
        from usagectl.tools import localstack_flags

        cautions += localstack_flags.cautions(client, switches)
    if is_on:
        cautions += _environment_wins(switches)
        cautions += _profile_not_read(client)
        if part == "cli":
            cautions += _prefixed_name_not_read(client)
            cautions += _dropped_opt_out(client)
        cautions += _do_not_track_ignored(variables)
        cautions += _prefixed_name_wins(switches)
    elif part == "cli":
        cautions += _profiles_without_opt_out(client, switches)
    return PartReading(part, client.endpoint(part), tuple(switches), tuple(cautions))


def _has_flags(client: LocalStackClient, part: str) -> bool:
    """True if flags may say something of a part; few set them, so that few load their module."""
    return part == "container" and FLAGS in client.variables


def _switches(client: LocalStackClient, name: str, part: str) -> list[Switch]:
    """List what flags, environment and active profiles say, the last file first: it wins.

    A bare name without `=` in a later file takes the earlier files' value away and sets
    nothing; in a file that flags name it takes every other value away.
    """
    handed = client.handed.get(name) if part == "container" else None
    is_taken_away = handed is not None and handed.value is None
    heeds = (lambda _value: None) if is_taken_away else says
    found = []
    if _has_flags(client, part):
        from usagectl.tools import localstack_flags

        found += localstack_flags.switches(client, name)
    found += variable_switches(client.environment.variables, (name,), heeds)
    for profile in reversed(client.profiles.active):
        value = profile.values.get(name)
        if value is not None:
            heeded = None if is_taken_away else says(value)
            found.append(Switch("profile", name, value, str(profile.file), heeded))
        is_taken_away = is_taken_away or (name in profile.values and value is None)
    return found


def _failure(client: LocalStackClient, part: str) -> list[Switch]:
    """Name the file, or the flags, at which the client stops: it ends before it sends."""
    found = [
        Switch("profile", "unreadable profile", None, str(profile.file), "off")
        for profile in client.profiles.active
        if profile.problem
    ][:1]
    if _has_flags(client, part):
        from usagectl.tools import localstack_flags

        found += localstack_flags.failure(client)
    return found


def _where(switch: Switch) -> str:
    return "the environment" if switch.source == "environment" else switch.origin


def _way_off(switch: Switch) -> str:
    if switch.source == "flags":
        from usagectl.tools import localstack_flags

        return localstack_flags.way_off(switch)
    return f"export {switch.name}=1" if switch.source == "environment" else "usagectl disable"


def _unreadable_profile(client: LocalStackClient) -> Iterator[Caution]:
    if problem := client.profiles.problem:
        message = f"{problem} LocalStack stops with an error there, so it sends nothing for now."
        yield Caution("profile-unreadable", message, "repair or remove that file")


def _profile_not_read(client: LocalStackClient) -> Iterator[Caution]:
    for profile in client.profiles.active:
        if profile.unread:
            why = f"{profile.file} {profile.unread}"
            message = f"{why}; its content is not known, so it does not count."
            yield Caution("profile-not-read", message, f"export {PLAIN}=1")


def _ignored_values(switches: Iterable[Switch]) -> Iterator[Caution]:
    """Warn of values that a person takes for a yes and LocalStack does not."""
    for switch in switches:
        if switch.says == "on" and switch.source != "default" and is_no(switch.value):
            said = f"{switch.name}={switch.value} in {_where(switch)} does not switch anything off"
            message = f"{said}: LocalStack takes only 1 or true for a yes."
            yield Caution("value-ignored", message, _way_off(switch))


def _environment_wins(switches: Sequence[Switch]) -> Iterator[Caution]:
    """Warn when a variable, even an empty one, beats a profile that opts out."""
    decider = first_heeded(switches)
    same = [switch for switch in switches if switch.name == decider.name]
    beaten = [switch for switch in same if switch.source == "profile" and switch.says == "off"]
    if decider.source == "environment" and beaten:
        said = f"{decider.name}={decider.value or '(empty)'} in the environment"
        message = f"{said} beats {decider.name}={beaten[0].value} in {beaten[0].origin}."
        yield Caution("environment-wins", message, f"export {decider.name}=1")


def _prefixed_name_not_read(client: LocalStackClient) -> Iterator[Caution]:
    """Warn when only the name that the command line does not read is set."""
    if is_true(client.variables.get(PREFIXED)):
        where = f"{PREFIXED} reaches LocalStack's container and lstk"
        message = f"{where}; LocalStack's own command line does not read it."
        yield Caution("prefixed-name-not-read", message, f"export {PLAIN}=1")


def _other_profiles(client: LocalStackClient, *, opting_out: bool) -> list[str]:
    """List the profiles that are not active, those that opt out or those that do not."""
    profiles = client.profiles
    found = [client.read_profile(file) for file in other_files(profiles)]
    chosen = [each for each in found if is_true(each.values.get(PLAIN)) is opting_out]
    return [profiles.name_of(each.file) for each in chosen]


def _dropped_opt_out(client: LocalStackClient) -> Iterator[Caution]:
    if quiet := _other_profiles(client, opting_out=True):
        profiles = client.profiles
        active = _in_words(profiles.name_of(profile.file) for profile in profiles.active)
        head = f"Profile {_in_words(quiet)} opts out, but the active profile is {active}"
        message = f"{head}, and LocalStack reads no other."
        yield Caution("profile-drops-opt-out", message, f"usagectl disable {NAME}")


def _profiles_without_opt_out(
    client: LocalStackClient, switches: Iterable[Switch]
) -> Iterator[Caution]:
    """Warn when choosing another profile would bring telemetry back."""
    decides = first_heeded(switches).source == "profile" and not client.profiles.problem
    if decides and (loud := _other_profiles(client, opting_out=False)):
        head = f"Profile {_in_words(loud)} has no opt-out"
        message = f"{head}: with --profile or CONFIG_PROFILE it would switch telemetry on again."
        hint = f"CONFIG_PROFILE={quote(loud[0])} usagectl disable {NAME}"
        yield Caution("profile-lacks-opt-out", message, hint)


def _in_words(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _do_not_track_ignored(variables: Mapping[str, str]) -> Iterator[Caution]:
    if is_no(variables.get("DO_NOT_TRACK")):
        message = "DO_NOT_TRACK is set, but LocalStack does not read it."
        yield Caution("do-not-track-ignored", message, f"export {PLAIN}=1")


def _prefixed_name_wins(switches: Sequence[Switch]) -> Iterator[Caution]:
    """Warn when the prefixed name turns the container on again."""
    by_name = [switch for switch in switches if switch.name == PLAIN and switch.says == "off"]
    decider = first_heeded(switches)
    if by_name and decider.name == PREFIXED and decider.source != "flags":
        said = f"{PREFIXED}={decider.value} in {_where(decider)}"
        message = f"{said} reaches the container and beats {PLAIN}={by_name[0].value} there."
        yield Caution("prefixed-name-wins", message, _way_off(decider))


def _identity_files(client: LocalStackClient) -> Iterator[IdentityFile]:
    environment, variables = client.environment, client.variables
    cache, source = _user_cache_dir(client)
    own = _place(cache / "localstack-cli", source, part="cli", is_primary=True)
    if client.is_in_container:
        own = _place(environment.at_root(_VOLUME_CACHE), "state", part="cli", is_primary=True)
    yield own
    volume = variables.get("LOCALSTACK_VOLUME_DIR", "").strip()
    host = environment.cwd / volume if volume else cache / "localstack" / "volume"
    yield _place(host / "cache", "environment" if volume else source)
    root = variables.get("FILESYSTEM_ROOT", "").strip()
    below = _VOLUME_CACHE.lstrip("/")
    if root:
        yield _place(environment.cwd / root / below, "environment")
    elif client.installation.packages:
        yield _place(client.installation.packages / ".filesystem" / below, "default")
    legacy = variables.get("CACHE_DIR", "").strip()
    old = environment.cwd / legacy if legacy else _temporary_dir(environment) / "localstack/cache"
    yield _place(old, "environment" if legacy else "default")


def _user_cache_dir(client: LocalStackClient) -> tuple[Path, Source]:
    """Name the user's cache folder as LocalStack's `get_user_cache_dir` does."""
    environment, variables = client.environment, client.variables
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


def _temporary_dir(environment: Environment) -> Path:
    """Name the folder for temporary files as Python does: TMPDIR, TEMP, TMP, else the system's."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        if environment.variables.get(name):
            return environment.cwd / environment.variables[name]
    return environment.at_root("/tmp")  # noqa: S108


def _place(
    folder: Path, source: Source, *, part: str = "container", is_primary: bool = False
) -> IdentityFile:
    """Describe an identity file; the command line mounts its own into the container."""
    path, is_shared = folder / "machine.json", part == "cli"
    return IdentityFile(NAME, part, path, "json", is_primary, source, is_shared)


TOOL = LocalStack()
