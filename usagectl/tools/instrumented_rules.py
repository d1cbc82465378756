"""Switches of tools that record through usagectl: variables, files, test runners; and warnings.

Any No wins, and a switch that cannot be understood is a No. A No in a variable, policy,
project file or general setting holds for every such tool, a Yes only for the tool it names.
A test runner is a No.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl import settings
from usagectl.endpoint import origin_of, problem_of
from usagectl.errors import quote
from usagectl.machine import files
from usagectl.sensitive import mask_url_credentials
from usagectl.tools.base import Caution, Source, Switch, Telemetry, is_no, variable_switches
from usagectl.tools.localstack_client import is_true

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.settings import SettingsFile
    from usagectl.tools.instrumented import Registration

NAME = settings.OWN_NAME

Sources = list[tuple[Source, "SettingsFile"]]

_NO_VARIABLES = ("DO_NOT_TRACK", "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS")


def sources_of(environment: Environment, user: SettingsFile) -> Sources:
    """Read every file with a switch, in the order in which they are named (design, section 4)."""
    found: Sources = [("policy", settings.read(files.policy_file(environment)))]
    projects = files.project_files(environment)
    found += [("project", settings.read(project)) for project in projects]
    return [*found, ("setting", user)]


def switches_of(environment: Environment, tool: str, sources: Sources) -> Iterator[Switch]:
    """Yield the switches of a tool in the order in which they are named."""
    yield from variable_switches(environment.variables, _NO_VARIABLES, _says_no)
    yield from _test_switches(environment)
    yield from _mode_variables(environment, tool)
    for source, file in sources:
        yield from _file_switches(source, file, tool)
    if any(source == "setting" and file.file is None for source, file in sources):
        yield Switch("setting", "settings file", None, "", "off")
    yield Switch("default", "no switch", None, "", "local")


def cautions_of(environment: Environment, tool: str, sources: Sources) -> Iterator[Caution]:
    """Warn of variables and files that do not mean what they seem to."""
    yield from _variable_cautions(environment, tool)
    yield from _file_cautions(sources)


def variable_of(name: str) -> str:
    """Name the variable that holds a tool's own mode: `MYTOOL_TELEMETRY`."""
    return f"{name.upper().replace('-', '_')}_TELEMETRY"


def _says_no(value: str) -> Telemetry | None:
    return "off" if is_no(value) else None


def _test_switches(environment: Environment) -> Iterator[Switch]:
    """Yield the No of a test runner: what is recorded tells of people, not of tests."""
    if name := environment.test_runner:
        if value := environment.variables.get(name):
            yield Switch("environment", name, value, "environment", "off")
        else:
            yield Switch("process", "test runner", name, "this process", "off")


def _mode_variables(environment: Environment, tool: str) -> Iterator[Switch]:
    for variable in dict.fromkeys((settings.MODE_VARIABLE, variable_of(tool))):
        text = environment.variables.get(variable, "")
        if mode := text.strip().lower():
            says: Telemetry | None = mode if settings.is_mode(mode) else "off"
            if says == "on" and variable != variable_of(tool):
                says = None  # It was said of usagectl alone.
            yield Switch("environment", variable, text, "environment", says)


def _file_switches(source: Source, file: SettingsFile, tool: str) -> Iterator[Switch]:
    origin = str(file.file) if file.file else ""
    if file.problem or (file.unknown and source != "setting"):
        # A restriction with a slip of the pen in it must still restrict.
        yield Switch(source, "telemetry.mode", file.mode, origin, "off")
        return
    modes = {"telemetry.mode": file.mode}
    if tool != NAME:
        modes[f"tools.{tool}.mode"] = file.of_tool(tool).mode
    for name, mode in modes.items():
        is_about_it = name != "telemetry.mode" or tool == NAME
        if mode is None or (source == "setting" and not is_about_it and mode != "off"):
            continue
        # A policy or a project file may only restrict: its "on" gives nothing.
        says = None if source != "setting" and mode == "on" else mode
        yield Switch(source, name, mode, origin, says)


def _variable_cautions(environment: Environment, tool: str) -> Iterator[Caution]:
    for name in _NO_VARIABLES[1:] if tool == NAME else ():
        value = environment.variables.get(name)
        if is_no(value) and not is_true(value):
            message = f"{name}={value} counts as a No here, but LocalStack's clients ignore it."
            yield Caution("value-ignored-elsewhere", message, f"export {name}=1")
    variable = variable_of(tool)
    text = environment.variables.get(variable, "")
    if (mode := text.strip().lower()) and not settings.is_mode(mode):
        message = f"{variable}={text} is not understood, so it counts as off."
        yield Caution("mode-not-understood", message, f"export {variable}=off")


def sending_cautions(
    registration: Registration, switches: Sequence[Switch], base: str
) -> Iterator[Caution]:
    """Warn of what keeps a tool that may send from sending."""
    if registration.problem:
        yield Caution("registration-unreadable", registration.problem, "usagectl status")
    says = [switch.says for switch in switches]
    if "on" not in says or "off" in says:
        return
    problem, name = problem_of(base), registration.name
    if not base:
        message = f"{name} names no endpoint, so nothing is sent; its events wait in the spool."
        yield Caution("endpoint-missing", message, f"usagectl spool list --tool {name}")
    elif problem == "plain-http":
        message = f"{origin_of(base)} is plain http, so nothing is sent there by itself."
        yield Caution("endpoint-not-https", message, "usagectl settings")
    elif problem:
        message = "The endpoint is no http or https URL, so nothing can be sent."
        yield Caution("endpoint-invalid", message, "usagectl settings")
    elif not registration.delivers:
        message = f"The program of {name} is frozen in a way in which it cannot send by itself."
        yield Caution("delivery-by-hand", message, f"usagectl replay --tool {name}")


def hold_back(switch: Switch) -> Switch:
    """Return a switch that was set for another endpoint: it no longer lets anything be sent."""
    is_consent = switch.source == "setting" and switch.says == "on"
    return switch._replace(says="local") if is_consent else switch


def endpoint_cautions(
    name: str, switches: Sequence[Switch], *, consented: str, base: str
) -> Iterator[Caution]:
    """Ask again for what was held back, unless something else decides that it is off, or on."""
    says = [switch.says for switch in switches]
    is_held_back = any(each.source == "setting" and each.value == "on" for each in switches)
    if not is_held_back or "off" in says or "on" in says:
        return
    before, after = (mask_url_credentials(each) or "no endpoint" for each in (consented, base))
    message = (
        f"{name} was enabled for {before} and now names {after}; nothing is sent there until you "
        "enable it again."
    )
    yield Caution("endpoint-changed", message, f"usagectl enable {name}")


def _file_cautions(sources: Sources) -> Iterator[Caution]:
    for source, file in sources:
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
