"""Own one run of a tool: a fresh home, an endpoint that behaves as wanted, and what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from usagectl.capture import children
from usagectl.conformance import endpoints, supervisor
from usagectl.conformance.machine import Machine
from usagectl.conformance.spec import Switch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.conformance.canaries import Planted
    from usagectl.conformance.endpoints import Answer, Traffic
    from usagectl.conformance.machine import Done
    from usagectl.conformance.spec import Spec, Words
    from usagectl.machine.environment import Environment

Afterwards = Literal["wait", "kill", "leave"]
Meets = Literal["endpoint", "nobody", "other"]

_HANDED_ON = frozenset(
    """PATH LANG LANGUAGE LC_ALL LC_CTYPE SYSTEMROOT SYSTEMDRIVE COMSPEC PATHEXT WINDIR
    LD_LIBRARY_PATH DYLD_LIBRARY_PATH""".split()  # noqa: SIM905  (a list of words reads best so)
)
"""A run is the same on every machine: of its variables only what programs need to start."""


class Step(NamedTuple):
    """Say what is run.

    Attributes:
        words: after the tool's command.
        afterwards: what becomes of what it leaves behind.
        switches: what is set for it.
        meets: the endpoint whose traffic is told of, one that refuses, or one that only answers.
        timeout_seconds: how long it may take; 0: as long as the spec says.
    """

    words: Words
    afterwards: Afterwards = "wait"
    switches: tuple[Switch, ...] = ()
    meets: Meets = "endpoint"
    timeout_seconds: float = 0.0


class Run(NamedTuple):
    """Hold how the steps of one run ended, and what they sent.

    Attributes:
        done: of each step.
        traffic: what reached the endpoint.
        home: the home folder that there was.
        work: the working folder that there was.
    """

    done: tuple[Done, ...]
    traffic: Traffic
    home: str
    work: str


class Stage:
    """Run steps of one tool, each time on a machine that is made for it.

    Args:
        spec: of the tool.
        environment: what this process runs on.
        planted: the texts that must not be sent.
    """

    def __init__(self, spec: Spec, environment: Environment, planted: Planted) -> None:
        self._spec = spec
        self._environment = environment
        self._planted = planted

    def run(self, steps: Sequence[Step], *, answer: Answer = "on") -> Run:
        """Run steps one after another in one fresh home; safe to call from any thread.

        Nothing of the steps runs any more when it returns.

        Raises:
            AddressUnavailableError: nothing can listen on loopback.
            FileUnwritableError: no temporary file can be made.
        """
        with ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True)
            machine = Machine(Path(stack.enter_context(folder)).resolve(), self._planted)
            machine.make()
            kinds: dict[Meets, Answer] = {"endpoint": answer, "nobody": "refuse", "other": "on"}
            met = {
                name: stack.enter_context(endpoints.opened(self._environment, kind))
                for name, kind in kinds.items()
                if name == "endpoint" or any(step.meets == name for step in steps)
            }
            job = [self._step(step, machine, met[step.meets].port) for step in steps]
            _write_once(job)
            outcome = _supervise(job)
            ports = [each.port for each in met.values()]
            done = tuple(machine.outcome(each, ports) for each in outcome["steps"])
            seconds = self._spec.grace_seconds
            traffic = met["endpoint"].finish(blind=not outcome["adopts"], seconds=seconds)
            return Run(done, traffic, str(machine.home), str(machine.work))

    def _step(self, step: Step, machine: Machine, port: int) -> dict[str, Any]:
        """Put a step into words for the supervisor."""
        spec = self._spec
        places = {
            "{endpoint}": f"http://127.0.0.1:{port}",
            "{value}": self._planted.value,
            "{here}": str(spec.folder),
        }
        layers = (Switch(spec.variables, files=spec.files), *step.switches)
        variables = children.variables_for_child(
            {**self._handed_on(), **machine.variables}, children.Address(port)
        )
        variables |= {n: _fill(v, places) for layer in layers for n, v in layer.variables.items()}
        files = {
            _fill(n, places): _fill(v, places) for layer in layers for n, v in layer.files.items()
        }
        return {
            "command": [_fill(word, places) for word in (*spec.command, *step.words)],
            "variables": variables,
            "files": {machine.locate(name): text for name, text in files.items()},
            "cwd": str(machine.work),
            "timeout_seconds": step.timeout_seconds or spec.timeout_seconds,
            "grace_seconds": spec.grace_seconds,
            "afterwards": step.afterwards,
        }

    def _handed_on(self) -> dict[str, str]:
        wanted = _HANDED_ON | set(self._spec.inherit)
        return {n: v for n, v in self._environment.variables.items() if n in wanted}


def _write_once(job: list[dict[str, Any]]) -> None:
    """Have each file written where its text changes: what the tool makes of it since stays."""
    written: dict[str, str] = {}
    for step in job:
        files: dict[str, str] = step["files"]
        step["files"] = {n: text for n, text in files.items() if written.get(n) != text}
        written |= files


def _fill(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(name, value)
    return text


def _supervise(job: list[dict[str, Any]]) -> dict[str, Any]:
    """Run a job in a supervisor of its own."""
    done = subprocess.run(  # noqa: S603  (our own interpreter and script)
        [sys.executable, "-I", "-S", str(supervisor.__file__)],
        input=json.dumps({"steps": job}).encode(),
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
