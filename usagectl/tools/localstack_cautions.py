"""Own what a person should be told about LocalStack's switches as they stand.

Each function looks at one thing and gives the warnings that it calls for.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from usagectl.tools import profiles as profile_files
from usagectl.tools.base import Caution, Switch, is_no
from usagectl.tools.localstack_client import PLAIN, PREFIXED, LocalStackClient
from usagectl.tools.localstack_rules import is_true

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def unreadable_profile(client: LocalStackClient) -> list[Caution]:
    """Warn when the client stops at a profile."""
    problem = client.profiles.problem
    if not problem:
        return []
    message = f"{problem} LocalStack stops with an error there, so it sends nothing for now."
    return [Caution("profile-unreadable", message, "repair or remove that file")]


def profile_not_read(client: LocalStackClient) -> list[Caution]:
    """Warn when what a profile says is not known, so that it cannot count as an opt-out."""
    return [
        Caution(
            "profile-not-read",
            f"{profile.file} {profile.unread}; what it says is not known, so it does not count.",
            f"export {PLAIN}=1",
        )
        for profile in client.profiles.active
        if profile.unread
    ]


def ignored_values(switches: Iterable[Switch]) -> list[Caution]:
    """Warn of values that look like a yes and are none to LocalStack."""
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


def environment_wins(switches: Sequence[Switch]) -> list[Caution]:
    """Warn when a variable, even an empty one, beats a profile that opts out."""
    decider = next(switch for switch in switches if switch.says)
    same = [switch for switch in switches if switch.name == decider.name]
    beaten = [switch for switch in same if switch.source == "profile" and switch.says == "off"]
    if decider.source != "environment" or not beaten:
        return []
    message = (
        f"{decider.name}={decider.value or '(empty)'} in the environment beats "
        f"{beaten[0].name}={beaten[0].value} in {beaten[0].origin}."
    )
    return [Caution("environment-wins", message, f"export {decider.name}=1")]


def prefixed_name_not_read(client: LocalStackClient) -> list[Caution]:
    """Warn when only the name that the command line does not read is set."""
    if not is_true(client.variables.get(PREFIXED)):
        return []
    message = (
        f"{PREFIXED} reaches LocalStack's container and lstk; LocalStack's own command line does "
        "not read it."
    )
    return [Caution("prefixed-name-not-read", message, f"export {PLAIN}=1")]


def dropped_opt_out(client: LocalStackClient) -> list[Caution]:
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


def profiles_without_opt_out(client: LocalStackClient, switches: Iterable[Switch]) -> list[Caution]:
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
    hint = f"CONFIG_PROFILE={quote(loud[0])} usagectl disable localstack"
    return [Caution("profile-lacks-opt-out", message, hint)]


def do_not_track_ignored(variables: Mapping[str, str]) -> list[Caution]:
    """Warn that LocalStack does not read DO_NOT_TRACK."""
    if not is_no(variables.get("DO_NOT_TRACK")):
        return []
    message = "DO_NOT_TRACK is set, but LocalStack does not read it."
    return [Caution("do-not-track-ignored", message, f"export {PLAIN}=1")]


def prefixed_name_wins(switches: Iterable[Switch]) -> list[Caution]:
    """Warn when the prefixed name turns the container on again."""
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
