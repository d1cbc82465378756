"""Checks of a tool: their list, how each is run, and the report."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl import audit
from usagectl.conformance import canaries, verdicts
from usagectl.conformance.endpoint import answers
from usagectl.conformance.sandbox import Sandbox
from usagectl.conformance.trials import Trials
from usagectl.machine.environment import with_account_home
from usagectl.machine.processes import CommandNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from usagectl.conformance.endpoint import Answer
    from usagectl.conformance.spec import Spec, Words
    from usagectl.conformance.verdicts import Outcome, Verdict
    from usagectl.machine.environment import Environment

Rule = Literal["on", "off", "silent", "values", "delay", "output"]


class Check(NamedTuple):
    """One rule for one command line.

    Attributes:
        rule: the rule.
        words: the command line, after the tool's command.
        switch: the number of the switch that must silence it, for `off`.
        label: the switch, or how the endpoint behaves; empty for the other rules.
    """

    rule: Rule
    words: Words
    switch: int = -1
    label: str = ""

    @property
    def name(self) -> str:
        """The name of the check, the same each time."""
        label = f" [{self.label}]" if self.label else ""
        return f"{self.rule}{label}: {' '.join(self.words)}"


class Result(NamedTuple):
    """Result of one check.

    Attributes:
        name: rule, switch or answer, and command line; stable for one spec.
        outcome: `not-proved` if nothing wrong was found, or could have been.
        expected: the rule, as a sentence.
        found: what was found, as a sentence.
        evidence: what the result rests on, line by line.
    """

    name: str
    outcome: Outcome
    expected: str
    found: str
    evidence: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The result in lines for a person."""
        head = f"{self.outcome}: {self.name}"
        lines = (f"  expected: {self.expected}", f"  found: {self.found}")
        return "\n".join([head, *lines, *(f"    {line}" for line in self.evidence)])


class Report(NamedTuple):
    """Results of all checks, in their order."""

    results: tuple[Result, ...]

    @property
    def is_passed(self) -> bool:
        """True if every check passed; an unproved one did not."""
        return all(each.outcome == "passed" for each in self.results)

    def names(self, outcome: Outcome) -> tuple[str, ...]:
        """List the names of the checks with an outcome."""
        return tuple(each.name for each in self.results if each.outcome == outcome)


def plan(spec: Spec) -> tuple[Check, ...]:
    """List every check of a tool; first those that the others rest on."""
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
    """Runs the checks of one tool.

    Args:
        spec: the description of the tool.
        environment: the machine and user.

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
        self._trials = Trials(spec, Sandbox(spec, environment, self._planted))

    def prepare(self, checks: Sequence[Check]) -> None:
        """Run side by side what some checks need and does not measure time.

        Of the answers, only those of these checks are measured afterwards.
        """
        from concurrent.futures import ThreadPoolExecutor

        trials, spec = self._trials, self._spec
        measured = {each.label for each in checks if each.rule in ("output", "delay")}
        trials.answers = tuple(each for each in answers() if each in measured)
        senders = [spec.sends[0], *(each.words for each in checks if each.rule != "silent")]
        tasks: list[Callable[[], object]] = []
        tasks += [partial(trials.sending, words) for words in dict.fromkeys(senders)]
        tasks += [
            partial(trials.silenced, each.words, spec.off[each.switch])
            for each in checks
            if each.rule == "off"
        ]
        tasks += [partial(trials.quiet, each.words) for each in checks if each.rule == "silent"]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for future in [pool.submit(task) for task in tasks]:
                future.result()

    def run(self, check: Check) -> Result:
        """Check one rule of the tool.

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
        words, found = check.words, self._trials
        if check.rule == "silent":
            could_send = verdicts.has_sent(found.sending(self._spec.sends[0]))
            return verdicts.silence(found.quiet(words), could_send=could_send)
        sending = found.sending(words)
        could_send = verdicts.has_sent(sending)
        if check.rule == "on":
            return verdicts.on(sending)
        if check.rule == "values":
            planted = self._planted.canaries(sending.home, sending.work)
            return verdicts.values(sending, planted, self._machine)
        if check.rule == "off":
            runs = found.silenced(words, self._spec.off[check.switch])
            return verdicts.silence(runs, could_send=could_send)
        answer: Answer = check.label  # type: ignore[assignment]
        compared = found.compared(words, answer) if could_send else None
        if check.rule == "delay":
            return verdicts.delay(compared, self._spec.delay_seconds, could_send=could_send)
        complete = sending.done[-1:] if answer == "on" else ()
        return verdicts.output(compared, complete, could_send=could_send)


_EXPECTED: dict[Rule, str] = {
    "on": "with telemetry on, something reaches the endpoint",
    "off": "with {label} nothing reaches the endpoint, not even a connection",
    "silent": "this never sends",
    "values": "nothing that is sent holds a value of the command line, environment or machine",
    "delay": "with an endpoint of the kind {label}, it takes at most {limit} longer than when off",
    "output": "with an endpoint of the kind {label}, output and exit status are as when off",
}


def check(spec: Spec, environment: Environment) -> Report:
    """Check every rule of a tool.

    Raises:
        CommandNotFoundError: there is no such program.
        AddressUnavailableError: nothing can listen on loopback.
        FileUnwritableError: no temporary file can be made.
    """
    kit = Kit(spec, environment)
    checks = plan(spec)
    kit.prepare(checks)
    return Report(tuple(map(kit.run, checks)))
