"""A run of a tool in a sandbox: fresh folders, own variables, an endpoint, and the result."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from usagectl.capture import Address, children, variables_for_child
from usagectl.verify import endpoint
from usagectl.verify.spec import Switch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.verify.canaries import Planted
    from usagectl.verify.endpoint import Answer, Traffic
    from usagectl.verify.spec import Spec, Words

Afterwards = Literal["wait", "kill", "leave"]
Meets = Literal["endpoint", "nobody", "other"]

_HANDED_ON = frozenset(
    """PATH LANG LANGUAGE LC_ALL LC_CTYPE SYSTEMROOT SYSTEMDRIVE COMSPEC PATHEXT WINDIR
    LD_LIBRARY_PATH DYLD_LIBRARY_PATH""".split()  # noqa: SIM905  (a list of words reads best so)
)
"""Variables that programs need to start; a run gets no other of this folders."""

_DEAD = "http://127.0.0.1:9"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


class Done(NamedTuple):
    """Result of a command line."""

    status: int
    stdout: bytes  # With placeholders for the folder and the port of this run, as stderr.
    stderr: bytes
    seconds: float = 0.0  # Until it had ended and its output was closed, as `$(command)` waits.
    own_seconds: float = 0.0  # Until it had ended.
    is_late: bool = False  # True if it took too long and was ended.
    is_left: bool = False  # True if something of it ran on for too long and was ended.


class Folders:
    """Folders of one run, and the variables that name them."""

    def __init__(self, root: Path, planted: Planted) -> None:
        self._root = root
        self._planted = planted
        self.home = root / "home" / planted.home
        self.work = root / "work" / planted.work

    def make(self) -> None:
        """Make the folders, and the files with canaries."""
        for folder in (self.home, self.work, self._root / "tmp", self._root / "run"):
            folder.mkdir(parents=True, mode=0o700)
        for name, text in self._planted.files.items():
            file = Path(self.locate(name))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")

    def locate(self, name: str) -> str:
        """Return the path of a file of the spec: below the working folder, or home after `~/`."""
        below_home = name.removeprefix("~/")
        return str(self.home / below_home if below_home != name else self.work / name)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a program: these folders, the canaries, and dead proxies."""
        home, tmp = self.home, str(self._root / "tmp")
        return {
            **dict.fromkeys(("HOME", "USERPROFILE"), str(home)),
            **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), tmp),
            "PWD": str(self.work),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "XDG_STATE_HOME": str(home / ".local" / "state"),
            "XDG_RUNTIME_DIR": str(self._root / "run"),
            "APPDATA": str(home / "AppData" / "Roaming"),
            "LOCALAPPDATA": str(home / "AppData" / "Local"),
            **self._planted.variables,
            **dict.fromkeys(_PROXIES, _DEAD),
        }

    def outcome(self, step: Mapping[str, Any], ports: Sequence[int]) -> Done:
        """Return a result with placeholders for folder and ports, which differ from run to run."""
        outputs = {}
        for name in ("stdout", "stderr"):
            data = step.get(name, "").encode("latin-1")
            data = data.replace(str(self._root).encode(), b"{root}")
            for port in ports:
                data = data.replace(f":{port}".encode(), b":{port}")
            outputs[name] = data
        return Done(**{**step, **outputs})


class Step(NamedTuple):
    """One command line to run."""

    words: Words  # The words after the tool's command.
    afterwards: Afterwards = "wait"  # Wait for what it leaves running, kill that, or leave it.
    switches: tuple[Switch, ...] = ()
    meets: Meets = "endpoint"  # The one that is reported, one that refuses, or one that answers.
    timeout_seconds: float = 0.0  # The longest time that it may take; 0: as the spec says.


class Run(NamedTuple):
    """Result of one run: that of each step, what reached the endpoint, and its folders."""

    done: tuple[Done, ...]
    traffic: Traffic
    home: str
    work: str


class Sandbox:
    """Runs steps of one tool, each time with a new home."""

    def __init__(self, spec: Spec, environment: Environment, planted: Planted) -> None:
        self._spec = spec
        self._environment = environment
        self._planted = planted

    def run(self, steps: Sequence[Step], *, answer: Answer = "on") -> Run:
        """Run steps one after another in one new home; safe to call from any thread.

        When it returns, nothing of the steps runs any more.

        Raises:
            AddressUnavailableError: nothing can listen on loopback.
            FileUnwritableError: no temporary file can be made.
        """
        with ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True)
            folders = Folders(Path(stack.enter_context(folder)).resolve(), self._planted)
            folders.make()
            kinds: dict[Meets, Answer] = {"endpoint": answer, "nobody": "refuse", "other": "on"}
            met = {
                name: stack.enter_context(endpoint.opened(self._environment, kind))
                for name, kind in kinds.items()
                if name == "endpoint" or any(step.meets == name for step in steps)
            }
            job = [self._step(step, folders, met[step.meets].wire.port) for step in steps]
            outcome = _supervise(_written_once(job))
            ports = [each.wire.port for each in met.values()]
            done = tuple(folders.outcome(each, ports) for each in outcome["steps"])
            seconds = self._spec.grace_seconds
            traffic = met["endpoint"].finish(blind=not outcome["adopts"], seconds=seconds)
            return Run(done, traffic, str(folders.home), str(folders.work))

    def _step(self, step: Step, folders: Folders, port: int) -> dict[str, Any]:
        """Build the supervisor's form of a step."""
        spec = self._spec
        places = {
            "{endpoint}": f"http://127.0.0.1:{port}",
            "{value}": self._planted.value,
            "{here}": str(spec.folder),
        }
        layers = (Switch(spec.variables, files=spec.files), *step.switches)
        wanted = _HANDED_ON | set(spec.inherit)
        handed_on = {n: v for n, v in self._environment.variables.items() if n in wanted}
        variables = variables_for_child({**handed_on, **folders.variables}, Address(port))
        variables |= {n: _fill(v, places) for layer in layers for n, v in layer.variables.items()}
        files = {
            _fill(n, places): _fill(v, places) for layer in layers for n, v in layer.files.items()
        }
        return {
            "command": [_fill(word, places) for word in (*spec.command, *step.words)],
            "variables": variables,
            "files": {folders.locate(name): text for name, text in files.items()},
            "cwd": str(folders.work),
            "timeout_seconds": step.timeout_seconds or spec.timeout_seconds,
            "grace_seconds": spec.grace_seconds,
            "afterwards": step.afterwards,
        }


def _written_once(job: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out each file whose text has not changed: what the tool writes to it stays."""
    written: dict[str, str] = {}
    found = []
    for step in job:
        files: dict[str, str] = step["files"]
        found.append({**step, "files": dict(files.items() - written.items())})
        written |= files
    return found


def _fill(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(name, value)
    return text


def _supervise(job: list[dict[str, Any]]) -> dict[str, Any]:
    """Run a job in a supervisor of its own."""
    done = subprocess.run(  # noqa: S603  (our own interpreter and script)
        [sys.executable, "-I", "-S", str(children.__file__)],
        input=json.dumps(job).encode(),
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
