"""Switches of tools that record through usagectl: variables, files, test runners; and warnings.

Any No wins, and a switch that cannot be understood is a No. A No in a variable, policy,
project file or general setting holds for every such tool, a Yes only for the tool it names.
A test runner is a No.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from usagectl import settings
from usagectl.endpoint import is_loopback, origin_of, problem_of
from usagectl.errors import hint_of_folder, quote
from usagectl.machine.environment import CONFIG_DIR_VARIABLE
from usagectl.sensitive import mask_url_credentials
from usagectl.tools.base import (
    Caution,
    Source,
    Switch,
    Telemetry,
    exists,
    is_no,
    variable_switches,
)
from usagectl.tools.localstack_client import is_true

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.settings import SettingsFile
    from usagectl.terms import Terms
    from usagectl.tools.instrumented import Registration

NAME = settings.OWN_NAME

LIFTED_VARIABLE = "USAGECTL_AS_IF_ENABLED"
"""With `1`, and as long as `ANALYTICS_API` leads to this machine, every No is lifted but the
policy's: a capture shows what would be sent. Other programs keep what `DO_NOT_TRACK` says."""

Sources = list[tuple[Source, "SettingsFile"]]

_SHOWN_KEYS = 5
_SHOWN_CHARACTERS = 60

NO_VARIABLES = ("DO_NOT_TRACK", "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS")


def read_switches(
    environment: Environment, tool: str, user: SettingsFile, terms: Terms
) -> tuple[list[Switch], Sources]:
    """Read the switches of a tool in the order in which they are named (design, section 4).

    Returns:
        The switches, and every file that was read for them.
    """
    switches = variable_switches(environment.variables, NO_VARIABLES, _says_no)
    switches += _test_switches(environment)
    switches += _mode_variables(environment, tool)
    switches += _package_switches(terms)
    sources = _read_files(environment, tool, user, switches)
    if user.file is None:
        switches.append(Switch("setting", "a missing home", None, "", "off"))
    begins: Telemetry = "off" if terms.default in ("off", "ask") else "local"
    switches.append(Switch("default", "no switch", None, "", begins))
    return switches, sources


def is_lifted(environment: Environment) -> bool:
    """True if a capture on this machine shows what would be sent without the opt-outs."""
    variables = environment.variables
    return variables.get(LIFTED_VARIABLE) == "1" and is_loopback(variables.get("ANALYTICS_API", ""))


def lift(switches: Sequence[Switch]) -> tuple[Switch, ...]:
    """Return switches of which none but those of the machine count beside the one that lifts them.

    These are the policy and the file of whoever packaged the program.
    """
    is_on = Switch("environment", LIFTED_VARIABLE, "1", "environment", "on")
    others = (
        each if each.source in ("policy", "package") else each._replace(says=None)
        for each in switches
    )
    return (is_on, *others)


def cautions_of(environment: Environment, tool: str, sources: Sources) -> Iterator[Caution]:
    """Warn of variables and files that do not mean what they seem to."""
    yield from _variable_cautions(environment, tool)
    yield from _file_cautions(sources)


def _says_no(value: str) -> Telemetry | None:
    return "off" if is_no(value) else None


def _test_switches(environment: Environment) -> Iterator[Switch]:
    """Yield the No of a test runner: what is recorded tells of people, not of tests."""
    if name := environment.test_runner:
        if value := environment.variables.get(name):
            yield Switch("environment", name, value, "environment", "off")
        else:
            yield Switch("process", "test runner", name, "this process", "off")


def _package_switches(terms: Terms) -> Iterator[Switch]:
    """Yield the No of whoever packaged the program: a file beside its code."""
    if terms.off_file and exists(Path(terms.off_file)):
        yield Switch("package", Path(terms.off_file).name, None, terms.off_file, "off")


def _mode_variables(environment: Environment, tool: str) -> Iterator[Switch]:
    for variable in dict.fromkeys((settings.MODE_VARIABLE, settings.variable_of(tool))):
        text = environment.variables.get(variable, "")
        if mode := text.strip().lower():
            says: Telemetry | None = mode if settings.is_mode(mode) else "off"
            if says == "on" and variable != settings.variable_of(tool):
                says = None  # It was said of usagectl alone.
            yield Switch("environment", variable, text, "environment", says)


def _read_files(
    environment: Environment, tool: str, user: SettingsFile, switches: list[Switch]
) -> Sources:
    """Return the files that can hold a mode, and add what they say to the switches.

    Anybody may have written a project file: after a No it could say no more, and is not read.
    """
    policy = settings.read_policy(environment)
    sources: Sources = [("policy", policy)]
    switches += _file_switches("policy", policy, tool)
    projects = settings.read_projects(environment)
    while all(switch.says != "off" for switch in switches):
        project = next(projects, None)
        if project is None:
            break
        sources.append(("project", project))
        switches += _file_switches("project", project, tool)
    sources.append(("setting", user))
    switches += _file_switches("setting", user, tool)
    return sources


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
    for name in NO_VARIABLES[1:] if tool == NAME else ():
        value = environment.variables.get(name)
        if is_no(value) and not is_true(value):
            message = f"{name}={value} counts as a No here, but LocalStack's clients ignore it."
            yield Caution("value-ignored-elsewhere", message, f"export {name}=1")
    variable = settings.variable_of(tool)
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
            message = f"{file.problem} It counts as off until that is mended."
            hint = file.hint or f"cat {quote(str(file.file))}"
            yield Caution(f"{source}-unreadable", message, hint)
        elif file.ignored:
            hint = f"ls -l {quote(str(file.file))}"
            yield Caution(f"{source}-ignored", file.ignored, hint)
        elif file.unknown:
            rest = "." if source == "setting" else ", so it counts as off."
            named = _name_some(file.unknown)
            message = f"{file.file} holds {named}, which means nothing here{rest}"
            yield Caution(f"{source}-unknown-key", message, f"cat {quote(str(file.file))}")
        elif source != "setting" and file.mode == "on":
            message = f"{file.file} asks for on, but a {source} file can only restrict."
            yield Caution(f"{source}-cannot-enable", message, f"cat {quote(str(file.file))}")
        elif source == "setting" and file.file is None:
            message = "This account has no home, so no setting can be read; that counts as off."
            yield Caution("no-home", message, hint_of_folder(CONFIG_DIR_VARIABLE))


def _name_some(keys: tuple[str, ...]) -> str:
    """Name the first keys of a file that anybody may have written."""
    shown = [
        key if len(key) <= _SHOWN_CHARACTERS else f"{key[:_SHOWN_CHARACTERS]}..."
        for key in keys[:_SHOWN_KEYS]
    ]
    more = f" and {len(keys) - len(shown)} more" if len(keys) > len(shown) else ""
    return f"{', '.join(shown)}{more}"
