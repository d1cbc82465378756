"""Consent: whether telemetry of a tool part is on, local or off, and which switch decided it.

The one place where switches become a verdict; status and the sender both ask here.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from usagectl.settings import load, read_policy
from usagectl.tools.base import BREAKS, RANK, Caution, Switch, first_heeded, is_no
from usagectl.tools.instrumented import Instrumented
from usagectl.tools.registry import select
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.settings import SettingsFile
    from usagectl.tools.base import Installation, PartReading, Telemetry, Tool
    from usagectl.tools.instrumented import Registration


class Consent(Value):
    """The verdict on one tool part."""

    tool: str  # Whose.
    part: str  # Which part.
    name: str  # The part as a person reads it.
    # `on` sends, `local` records and sends nothing, `off` does neither; `unknown` cannot be told.
    telemetry: Telemetry
    decided_by: Switch  # The switch that decided.
    overridden: tuple[Switch, ...]  # Switches that said something else and were not obeyed.
    considered: tuple[Switch, ...]  # Every switch looked at, in order, ignored ones too.
    cautions: tuple[Caution, ...]  # What a person should know.
    endpoint: str  # Where it would send.
    installation: Installation  # What was found of the tool.
    counts: bool  # Whether it is on this machine or was asked for by name.
    is_ours: bool  # Whether the tool records its events through usagectl.
    is_out_of_reach: bool  # Whether no file that usagectl writes can switch it off.
    senders: Mapping[str, Telemetry] = MappingProxyType({})  # What is switched apart in the part.
    asks: bool = False  # Whether it is off because nobody has answered its question yet.
    summary: str = ""  # What it sends, in a few words; empty where the catalogue does not know it.
    evidence: str = ""  # How that was seen, and of which release, such as `wire 16.4.6`.
    privacy: str = ""  # What its author promises, and where more is said.

    @property
    def shown(self) -> str:
        """Its telemetry for a program; `absent` where it is neither here nor asked for."""
        return self.telemetry if self.counts else "absent"

    @property
    def is_broken(self) -> bool:
        """True if the tool itself does not work here, for a value that it stops at."""
        return any(each.code == BREAKS and each.level == "error" for each in self.cautions)

    @property
    def state(self) -> str:
        """Its telemetry for a person: `asks` where it is off until somebody answers."""
        return "asks" if self.counts and self.asks else self.shown


def evaluate(
    environment: Environment,
    names: Sequence[str] = (),
    *,
    everything: bool = False,
    only_here: bool = False,
) -> tuple[Consent, ...]:
    """Decide on every part of the named tools; without a name of those that are known or here.

    With `everything` the whole catalogue is judged; with `only_here` no client that is neither
    found on this machine nor named.

    Opens no socket, runs no program, writes nothing.

    Raises:
        InvalidValueError: the names are one text.
        UnknownToolError: no tool goes by one of the names.
    """
    policy = read_policy(environment)
    return tuple(
        verdict
        for tool in select(environment, names, everything=everything)
        if not only_here or tool.is_ours or tool.name in names or tool.find(environment).is_found
        for verdict in evaluate_tool(environment, tool, is_named=tool.name in names, policy=policy)
    )


def evaluate_tool(
    environment: Environment,
    tool: Tool,
    *,
    is_named: bool = False,
    policy: SettingsFile | None = None,
) -> tuple[Consent, ...]:
    """Decide on every part of a tool; one that is asked for by name counts wherever it is."""
    installation = tool.find(environment)
    counts = is_named or installation.is_found
    readings = tool.read(environment)
    found = tuple(decide(tool, each, installation, counts=counts) for each in readings)
    if tool.is_ours:  # Those read the policy themselves.
        return found
    wishes = policy or read_policy(environment)
    return tuple(_under_policy(each, wishes) for each in found)


def _under_policy(found: Consent, policy: SettingsFile) -> Consent:
    """Add what the machine's policy wants of a tool that does not read it.

    The verdict stays: it is what the tool does.
    """
    mode = policy.of_tool(found.tool).mode
    if mode not in ("off", "local"):
        return found
    name = f"tools.{found.tool}.mode"
    wish = Switch("policy", name, mode, str(policy.file), None)
    found = found._replace(considered=(*found.considered, wish))
    if RANK[found.telemetry] <= RANK[mode] or not found.counts:
        return found
    return found._replace(
        overridden=(*found.overridden, wish),
        cautions=(*found.cautions, _not_obeyed(found, wish)),
    )


def _not_obeyed(found: Consent, wish: Switch) -> Caution:
    """Warn that a tool does not read the policy, and say what makes it do as that says."""
    from usagectl.tools.opt_outs import opt_out_of  # few machines have a policy

    variables = opt_out_of(found.tool)
    ways = [f"`usagectl disable {found.tool}`"] if not found.is_out_of_reach else []
    ways += ["`usagectl disable --system`, for every user"] if variables else []
    helps = f" What switches it off: {' or '.join(ways)}." if ways else " Nothing switches it off."
    state = (
        "what it sends is unknown" if found.telemetry == "unknown" else f"it is {found.telemetry}"
    )
    message = f"{wish.origin} wants {found.name} {wish.value}, but it does not read that: {state}."
    exports = " ".join(f"{name}={value}" for name, value in variables.items())
    hint = f"export {exports}" if exports else f"usagectl disable {found.tool}" if ways else ""
    return Caution("policy-not-obeyed", message + helps, hint)


def of_emitter(environment: Environment, registration: Registration) -> Consent:
    """Decide on a program that records through usagectl, registered or not."""
    return evaluate_tool(environment, Instrumented(registration))[0]


def decide(
    tool: Tool, reading: PartReading, installation: Installation, *, counts: bool
) -> Consent:
    """Turn the switches of one part into a verdict."""
    decide_by = _strictest if tool.is_ours else first_heeded
    decider = reading.decider or decide_by(reading.switches)
    telemetry, entry = decider.says or "on", tool.entry
    return Consent(
        tool=tool.name,
        part=reading.part,
        name=tool.label(reading.part),
        telemetry=telemetry,
        decided_by=decider,
        overridden=tuple(each for each in reading.switches if _is_beaten(each, telemetry)),
        considered=reading.switches,
        cautions=reading.cautions,
        endpoint=reading.endpoint,
        installation=installation,
        counts=counts,
        is_ours=tool.is_ours,
        is_out_of_reach=not tool.can_be_written or decider.source in ("environment", "flags"),
        senders=reading.senders,
        asks=decider.source == "default" and tool.asks,
        summary=entry.summary if entry else "",
        evidence=entry.basis if entry else "",
        privacy=tool.privacy,
    )


def _is_beaten(switch: Switch, telemetry: Telemetry) -> bool:
    """True if a switch wanted something else; an ignored one counts when it is a No."""
    if switch.source == "default" or switch.says == telemetry:
        return False
    return switch.says is not None or is_no(switch.value)


def _strictest(switches: Sequence[Switch]) -> Switch:
    """Pick a No wherever it stands; else the first choice, held down by what may only restrict.

    Of several that say the same, the first in the order of naming decides.
    """
    speaking = [switch for switch in switches if switch.says]
    choice = next(s for s in speaking if s.source in ("environment", "setting", "default"))
    candidates = [
        switch
        for switch in speaking
        if switch is choice or (switch.source != "default" and _restricts(switch))
    ]
    return min(candidates, key=lambda switch: RANK[switch.says or "on"])


def _restricts(switch: Switch) -> bool:
    return switch.says == "off" or switch.source in ("policy", "project")


def way_off_of(found: Consent) -> str:
    """Name what helps where flags switch a part on; empty where something else decides."""
    if found.decided_by.source != "flags":
        return ""
    return next((each.hint for each in found.cautions if each.code.startswith("flags-")), "")


def describe(switch: Switch) -> str:
    """Say in a few words which switch decided, and what it says."""
    if switch.source == "default":
        return "no switch is set"
    value = "" if switch.value is None else f"={switch.value}"
    place = "environment" if switch.source in ("environment", "ci") else switch.origin
    return f"{switch.name}{value} ({place})" if place else f"{switch.name}{value}"


def sending_consent(environment: Environment, verdict: Consent) -> str:
    """Name the consent under which usagectl's events may leave by themselves; empty without one.

    It is the instant that was stored when sending was switched on, so that events
    recorded before, or under an earlier consent, stay here. Consent by a variable has
    no instant: it holds for what is recorded under it.
    """
    if verdict.telemetry != "on":
        return ""
    if verdict.decided_by.source == "environment":
        return "environment"
    since = load(environment).of_tool(verdict.tool).mode_since
    return since.isoformat() if since else "setting"
