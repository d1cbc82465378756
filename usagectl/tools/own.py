"""Own usagectl's own switches: any No wins, and what is not understood is a No."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from usagectl import settings
from usagectl.endpoint import origin_of, problem_of
from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    Caution,
    IdentityFile,
    Installation,
    PartReading,
    Source,
    Switch,
    Tool,
    environment_switch,
    is_no,
)
from usagectl.tools.localstack_rules import is_true

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.environment import Environment
    from usagectl.settings import SettingsFile

NAME = "usagectl"

_NO_VARIABLES = ("DO_NOT_TRACK", "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS")


class Own(Tool):
    """Describe usagectl itself: one part, `cli`; it has no machine ID."""

    name = NAME
    parts = ("cli",)
    always_counts = True

    def find(self, environment: Environment) -> Installation:  # noqa: ARG002
        """Say that it is here, and its version."""
        from usagectl._version import __version__

        return Installation(installed=True, version=__version__)

    def read(self, environment: Environment) -> tuple[PartReading, ...]:
        """Read its switches in the order in which they are named (design, section 4)."""
        user = settings.load(environment)
        files: list[tuple[Source, SettingsFile]] = [("policy", settings.load_policy(environment))]
        files += [("project", project) for project in settings.load_projects(environment)]
        switches = [*_variable_switches(environment), *_mode_variable(environment)]
        for source, file in files:
            switches += _file_switch(source, file)
        switches += _file_switch("setting", user)
        if user.file is None:
            switches.append(Switch("setting", "settings file", None, "", "off"))
        switches.append(Switch("default", "no switch", None, "", "local"))
        cautions = (
            *_variable_cautions(environment),
            *_file_cautions([*files, ("setting", user)]),
            *_sending_cautions(switches, endpoint(environment, user)[0]),
        )
        reading = PartReading(
            NAME, "cli", endpoint(environment, user)[0], tuple(switches), any_no_wins=True
        )
        return (reading._replace(cautions=cautions),)

    def identity_files(self, environment: Environment) -> tuple[IdentityFile, ...]:  # noqa: ARG002
        """Name nothing: usagectl keeps no machine ID."""
        return ()


def endpoint(environment: Environment, user: SettingsFile) -> tuple[str, Source]:
    """Return the base URL for usagectl's own events, and what chose it."""
    variable = environment.variables.get("ANALYTICS_API", "")
    if variable:
        return variable.rstrip("/"), "environment"
    if user.endpoint:
        return user.endpoint.rstrip("/"), "setting"
    return LOCALSTACK_ENDPOINT, "default"


def _variable_switches(environment: Environment) -> Iterator[Switch]:
    variables = environment.variables
    for name in _NO_VARIABLES:
        if name in variables:
            yield environment_switch(
                variables, name, says="off" if is_no(variables[name]) else None
            )


def _mode_variable(environment: Environment) -> Iterator[Switch]:
    text = environment.variables.get(settings.MODE_VARIABLE, "")
    if text.strip():
        mode = text.strip().lower()
        says = mode if settings.is_mode(mode) else "off"
        yield environment_switch(environment.variables, settings.MODE_VARIABLE, says=says)


def _file_switch(source: Source, file: SettingsFile) -> Iterator[Switch]:
    origin = str(file.file) if file.file else ""
    if file.problem or (file.unknown and source != "setting"):
        # A restriction with a slip of the pen in it must not become none at all.
        yield Switch(source, "telemetry.mode", file.mode, origin, "off")
    elif file.mode is not None:
        # A policy or a project file may only restrict: its "on" gives nothing.
        says = None if source != "setting" and file.mode == "on" else file.mode
        yield Switch(source, "telemetry.mode", file.mode, origin, says)


def _variable_cautions(environment: Environment) -> Iterator[Caution]:
    variables = environment.variables
    for name in _NO_VARIABLES[1:]:
        value = variables.get(name)
        if is_no(value) and not is_true(value):
            message = f"{name}={value} counts as a No here, but LocalStack's clients ignore it."
            yield Caution("value-ignored-elsewhere", message, f"export {name}=1")
    text = variables.get(settings.MODE_VARIABLE, "")
    if text.strip() and not settings.is_mode(text.strip().lower()):
        message = f"{settings.MODE_VARIABLE}={text} is not understood, so it counts as off."
        yield Caution("mode-not-understood", message, f"export {settings.MODE_VARIABLE}=off")


def _sending_cautions(switches: list[Switch], base: str) -> Iterator[Caution]:
    says = [switch.says for switch in switches]
    if "on" not in says or "off" in says:
        return
    problem = problem_of(base)
    if problem == "plain-http":
        message = f"{origin_of(base)} is plain http, so nothing is sent there by itself."
        yield Caution("endpoint-not-https", message, "usagectl settings")
    elif problem:
        message = "The endpoint is no http or https URL, so nothing can be sent."
        yield Caution("endpoint-invalid", message, "usagectl settings")


def _file_cautions(files: list[tuple[Source, SettingsFile]]) -> Iterator[Caution]:
    for source, file in files:
        if file.problem:
            message = f"{file.problem} It counts as off until it can be read."
            yield Caution(f"{source}-unreadable", message, f"cat {quote(str(file.file))}")
        elif file.unknown:
            rest = "." if source == "setting" else ", so it counts as off."
            message = f"{file.file} holds {', '.join(file.unknown)}, which means nothing here{rest}"
            yield Caution(f"{source}-unknown-key", message, f"cat {quote(str(file.file))}")
        elif source != "setting" and file.mode == "on":
            message = f"{file.file} asks for on, but a {source} file can only restrict."
            yield Caution(f"{source}-cannot-enable", message, f"cat {quote(str(file.file))}")
        elif source == "setting" and file.file is None:
            message = "This account has no home, so no setting can be read; that counts as off."
            yield Caution("no-home", message, "export USAGECTL_CONFIG_DIR=/an/absolute/folder")
