"""Own the list of checks of a tool, and the running of them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl import audit
from usagectl.conformance import canaries, judging
from usagectl.conformance.facts import Facts, answers
from usagectl.conformance.report import Report, Result
from usagectl.conformance.stage import Stage
from usagectl.machine.environment import with_account_home
from usagectl.machine.processes import CommandNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from usagectl.conformance.endpoints import Answer
    from usagectl.conformance.judging import Verdict
    from usagectl.conformance.spec import Spec, Switch, Words
    from usagectl.machine.environment import Environment

Rule = Literal["on", "off", "silent", "values", "delay", "output"]


class Check(NamedTuple):
    """Hold one rule, and what of a tool it is held to.

    Attributes:
        rule: which.
        words: the command line, after the tool's command.
        switch: the number of the switch that is to silence it, for `off`.
        label: the switch, or how the endpoint behaves; empty for the other rules.
    """

    rule: Rule
    words: Words
    switch: int = -1
    label: str = ""

    @property
    def name(self) -> str:
        """Name it, the same each time."""
        label = f" [{self.label}]" if self.label else ""
        return f"{self.rule}{label}: {' '.join(self.words)}"


def plan(spec: Spec) -> tuple[Check, ...]:
    """List every check of a tool, what the others rest on first."""
    found = [Check("on", words) for words in spec.sends]
    found += [
        Check("off", words, number, switch.name)
        for number, switch in enumerate(spec.off)
        for words in spec.sends
    ]
    found += [Check("silent", words) for words in spec.silent]
    found += [Check("values", words) for words in spec.sends]
    rules: tuple[Rule, ...] = ("output", "delay")
    found += [
        Check(rule, words, label=answer)
        for words in spec.sends
        for rule in rules
        for answer in answers()
    ]
    return tuple(found)


class Kit:
    """Check one tool.

    Args:
        spec: of the tool.
        environment: what this process runs on.

    Raises:
        CommandNotFoundError: there is no such program.
    """

    def __init__(self, spec: Spec, environment: Environment) -> None:
        program = spec.command[0].replace("{here}", str(spec.folder))
        if shutil.which(program, path=environment.variables.get("PATH")) is None:
            raise CommandNotFoundError(program)
        self._spec = spec
        self._planted = canaries.plant(environment.entropy)
        self._machine = audit.Context.from_environment(with_account_home(environment)).finder()
        self._facts = Facts(spec, Stage(spec, environment, self._planted))

    def prepare(self, checks: Sequence[Check]) -> None:
        """Find out at once, side by side, what no clock is needed for."""
        from concurrent.futures import ThreadPoolExecutor

        needed = [self._spec.sends[0], *(each.words for each in checks if each.rule != "silent")]
        tasks: list[Callable[[], object]] = []
        tasks += [self._sending(words) for words in dict.fromkeys(needed)]
        tasks += [
            self._silenced(c.words, self._spec.off[c.switch])
            for c in checks
            if c.label and c.switch >= 0
        ]
        tasks += [self._quiet(each.words) for each in checks if each.rule == "silent"]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for future in [pool.submit(task) for task in tasks]:
                future.result()

    def _sending(self, words: Words) -> Callable[[], object]:
        return lambda: self._facts.sending(words)

    def _silenced(self, words: Words, switch: Switch) -> Callable[[], object]:
        return lambda: self._facts.silenced(words, switch)

    def _quiet(self, words: Words) -> Callable[[], object]:
        return lambda: self._facts.quiet(words)

    def run(self, check: Check) -> Result:
        """Hold the tool to one rule.

        Raises:
            AddressUnavailableError: nothing can listen on loopback.
            FileUnwritableError: no temporary file can be made.
        """
        verdict = self._judge(check)
        expected = _EXPECTED[check.rule].format(
            label=check.label, limit=f"{self._spec.delay_seconds:g} s"
        )
        return Result(check.name, verdict.outcome, expected, verdict.found, verdict.evidence)

    def _judge(self, check: Check) -> Verdict:
        words, found = check.words, self._facts
        if check.rule == "silent":
            could_send = judging.has_sent(found.sending(self._spec.sends[0]))
            return judging.silence(found.quiet(words), could_send=could_send)
        sending = found.sending(words)
        could_send = judging.has_sent(sending)
        if check.rule == "on":
            return judging.on(sending)
        if check.rule == "values":
            planted = self._planted.canaries(sending.home, sending.work)
            return judging.values(sending, planted, self._machine)
        if check.rule == "off":
            runs = found.silenced(words, self._spec.off[check.switch])
            return judging.silence(runs, could_send=could_send)
        answer: Answer = check.label  # type: ignore[assignment]
        compared = found.compared(words, answer) if could_send else None
        if check.rule == "delay":
            return judging.delay(compared, self._spec.delay_seconds, could_send=could_send)
        complete = sending.done[-1:] if answer == "on" else ()
        return judging.output(compared, complete, could_send=could_send)


_EXPECTED: dict[Rule, str] = {
    "on": "with telemetry on, something reaches the endpoint",
    "off": "with {label} nothing reaches the endpoint, not even a connection",
    "silent": "this never sends",
    "values": "nothing that is sent holds a value of the command line, environment or machine",
    "delay": "with an endpoint of the kind {label}, it takes at most {limit} longer than when off",
    "output": "with an endpoint of the kind {label}, output and exit status are as when off",
}


def check(spec: Spec, environment: Environment) -> Report:
    """Hold a tool to every rule.

    Raises:
        CommandNotFoundError: there is no such program.
        AddressUnavailableError: nothing can listen on loopback.
        FileUnwritableError: no temporary file can be made.
    """
    kit = Kit(spec, environment)
    checks = plan(spec)
    kit.prepare(checks)
    return Report(tuple(map(kit.run, checks)))
