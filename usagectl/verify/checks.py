"""Checks of a tool: their list, how each is run, and the report."""

from __future__ import annotations

import math
import os
import shutil
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from usagectl import audit
from usagectl.machine.environment import with_account_home
from usagectl.machine.processes import CommandNotFoundError
from usagectl.verify import canaries, verdicts
from usagectl.verify.endpoint import ANSWERS
from usagectl.verify.sandbox import Sandbox, Step
from usagectl.verify.verdicts import Compared

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.verify.endpoint import Answer
    from usagectl.verify.sandbox import Done, Meets, Run
    from usagectl.verify.spec import Spec, Switch, Words
    from usagectl.verify.verdicts import Outcome, Verdict

    Fact = TypeVar("Fact")

_PATIENCE_SECONDS = 8.0
_MORE_ROUNDS = 3

Rule = Literal["on", "off", "silent", "values", "delay", "output"]


class Check(NamedTuple):
    """One rule for one command line."""

    rule: Rule
    words: Words  # The command line, after the tool's command.
    switch: int = -1  # The number of the switch that must silence it, for `off`.
    label: str = ""  # The switch, or how the endpoint behaves; empty for the other rules.

    @property
    def name(self) -> str:
        """The name of the check, the same each time."""
        label = f" [{self.label}]" if self.label else ""
        return f"{self.rule}{label}: {' '.join(self.words)}"


class Result(NamedTuple):
    """Result of one check."""

    name: str  # Rule, switch or answer, and command line; stable for one spec.
    expected: str  # The rule, as a sentence.
    outcome: Outcome  # `not-proved` if nothing wrong was found, or could have been.
    found: str
    evidence: tuple[str, ...] = ()  # What the result rests on, line by line.

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
    for words in spec.sends:
        found += [Check("output", words, label=answer) for answer in ANSWERS]
        found += [Check("delay", words, label=answer) for answer in ANSWERS]
    return tuple(found)


class Kit:
    """Runs the checks of one tool.

    Raises:
        CommandNotFoundError: there is no such program.
    """

    def __init__(self, spec: Spec, environment: Environment) -> None:
        program = spec.command[0].replace("{here}", str(spec.folder))
        if shutil.which(program, path=environment.variables.get("PATH")) is None:
            raise CommandNotFoundError(program)
        self._spec = spec
        self._planted = canaries.plant(environment.entropy)
        self._machine = audit.Context.from_environment(with_account_home(environment)).finder
        self._trials = Trials(spec, Sandbox(spec, environment, self._planted))

    def prepare(self, checks: Sequence[Check]) -> None:
        """Run side by side what some checks need and does not measure time.

        Of the answers, only those of these checks are measured afterwards.
        """
        from concurrent.futures import ThreadPoolExecutor

        trials, spec = self._trials, self._spec
        measured = {each.label for each in checks if each.rule in ("output", "delay")}
        trials.answers = tuple(each for each in ANSWERS if each in measured)
        senders = [spec.sends[0], *(each.words for each in checks if each.rule != "silent")]
        jobs: list[tuple[Any, ...]] = [(trials.sending, words) for words in dict.fromkeys(senders)]
        jobs += [
            (trials.silenced, each.words, spec.off[each.switch])
            for each in checks
            if each.rule == "off"
        ]
        jobs += [(trials.quiet, each.words) for each in checks if each.rule == "silent"]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for task in [pool.submit(*job) for job in jobs]:
                task.result()

    def run(self, check: Check) -> Result:
        """Check one rule of the tool.

        Raises:
            AddressUnavailableError: nothing can listen on loopback.
            FileUnwritableError: no temporary file can be made.
        """
        limit = f"{self._spec.delay_seconds:g} s"
        expected = _EXPECTED[check.rule].format(label=check.label, limit=limit)
        return Result(check.name, expected, *self._judge(check))

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
        compared = found.compared(words, answer) if could_send else verdicts.NEVER_SENT
        if check.rule == "delay":
            return verdicts.delay(compared, self._spec.delay_seconds)
        return verdicts.output(compared, sending.done[-1:] if answer == "on" else ())


_EXPECTED: dict[Rule, str] = {
    "on": "with telemetry on, something reaches the endpoint",
    "off": "with {label} nothing reaches the endpoint, not even a connection",
    "silent": "this never sends",
    "values": "nothing that is sent holds a value of the command line, environment or machine",
    "delay": "with an endpoint of the kind {label}, it takes at most {limit} longer than when off",
    "output": "with an endpoint of the kind {label}, output and exit status are as when off",
}


class Trials:
    """Runs of a tool in every way that checks need, each made once."""

    def __init__(self, spec: Spec, sandbox: Sandbox) -> None:
        self._spec = spec
        self._sandbox = sandbox
        self.answers: tuple[Answer, ...] = ()  # Measured together; others one by one.
        self._known: dict[Hashable, object] = {}

    def sending(self, words: Words) -> Run:
        """Run a command line twice with telemetry on."""
        return self._once(("sending", words), lambda: self._run([self._on(words)] * 2))

    def silenced(self, words: Words, switch: Switch) -> tuple[Run, Run]:
        """Run it with telemetry off, in a new home and in one where events may wait."""
        off = [*self._switched(switch, "endpoint"), self._on(words, switch)]
        return self._once(
            ("silenced", words, switch.name),
            lambda: (self._run(off), self._run([self._waiting(words), *off])),
        )

    def quiet(self, words: Words) -> tuple[Run, ...]:
        """Run a command line that must never send with telemetry on, in both homes."""
        line = self._on(words)
        waiting = self._waiting(self._spec.sends[0])
        return self._once(("quiet", words), lambda: (self._run([line]), self._run([waiting, line])))

    def silencer(self, words: Words) -> Switch | None:
        """Find a switch that silences a command line: its durations can be compared."""
        for switch in self._spec.off:
            in_new_home, _ = self.silenced(words, switch)
            if not in_new_home.traffic.connections:
                return switch
        return None

    def compared(self, words: Words, answer: Answer) -> Compared | str:
        """Run a command line with telemetry off and on; else say why that cannot be compared.

        What seems too slow is measured again: another program may be the reason.
        """
        switch = self.silencer(words)
        if switch is None:
            return verdicts.NO_SILENCER
        wanted = self.answers if answer in self.answers else (answer,)
        series = self._once(("series", words, wanted), lambda: self._series(words, switch, wanted))
        found = series[answer]
        if not found.off:
            return verdicts.NO_END
        if found.is_late or found.delay_seconds <= self._spec.delay_seconds:
            return found
        return self._once(
            ("more", words, answer), lambda: self._with_more(found, words, switch, answer)
        )

    def _series(
        self, words: Words, switch: Switch, wanted: Sequence[Answer]
    ) -> dict[Answer, Compared]:
        """Measure each answer in turn, and off between them: a busy time falls on both."""
        off = [self._timed(words, "refuse", switch, times=1)]
        on: dict[Answer, tuple[Done, ...]] = {}
        for answer in wanted:
            if len(off[-1]) <= 1 or off[-1][-1].is_late:
                return dict.fromkeys(wanted, Compared())
            limit = max(done.seconds for done in off[-1]) + self._spec.delay_seconds
            on[answer] = self._timed(words, answer, seconds=limit + _PATIENCE_SECONDS)
            off.append(self._timed(words, "refuse", switch, times=1))
        first, later = (tuple(each[place] for each in off if len(each) > 1) for place in (0, 1))
        fresh = self.silenced(words, switch)[0].done[-1:]
        return {
            answer: Compared(first, done[:1], later, done[1:], fresh) for answer, done in on.items()
        }

    def _with_more(self, found: Compared, words: Words, switch: Switch, answer: Answer) -> Compared:
        for _ in range(_MORE_ROUNDS):
            off = self._timed(words, "refuse", switch, times=1)
            on = self._timed(words, answer, times=1)
            more = (off[:1], on[:1], off[1:], on[1:], ())
            found = Compared(*(old + new for old, new in zip(found, more, strict=True)))
        return found

    def _timed(
        self,
        words: Words,
        answer: Answer,
        switch: Switch | None = None,
        *,
        times: int = 0,
        seconds: float = math.inf,
    ) -> tuple[Done, ...]:
        """Run it once, then some times more: what one run leaves may delay the next."""
        limit = min(seconds, self._spec.timeout_seconds)
        line = self._on(words, switch)._replace(timeout_seconds=limit, afterwards="leave")
        lines = [line] * (times or self._spec.rounds)
        before = self._switched(switch, "other") if switch else []
        found = self._run([*before, *lines, line._replace(afterwards="kill")], answer).done
        skipped = len(before) + bool(self._spec.on.run)
        return found[skipped:]

    def _on(self, words: Words, switch: Switch | None = None) -> Step:
        return Step(words, switches=(self._spec.on, *([switch] if switch else [])))

    def _waiting(self, words: Words) -> Step:
        """Build a step after which events wait, in a tool that keeps them: nobody answers."""
        return self._on(words)._replace(meets="nobody", afterwards="kill")

    def _switched(self, switch: Switch, meets: Meets) -> list[Step]:
        if not switch.run:
            return []
        return [self._on(switch.run, switch)._replace(meets=meets)]

    def _run(self, steps: list[Step], answer: Answer = "on") -> Run:
        before = [self._on(self._spec.on.run)._replace(meets="other")]
        return self._sandbox.run([*(before if self._spec.on.run else []), *steps], answer=answer)

    def _once(self, key: Hashable, make: Callable[[], Fact]) -> Fact:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]  # type: ignore[return-value]


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
