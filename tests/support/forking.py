"""Programs in forks of an interpreter that has already loaded the libraries they need.

Loading those takes four times as long as all else that a short command does. Each fork loads
usagectl, or LocalStack's client, itself, with variables, folder and streams of its own, and
ends as any interpreter does.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import tempfile
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT_SECONDS = 60
_HOST = """
import json, os, signal, sys
import {imports}
while line := sys.stdin.readline():
    work = json.loads(line)
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
signal.alarm({limit})
os.environ.clear()
os.environ.update(work["variables"])
os.chdir(work["cwd"])
for number, name in enumerate(work["streams"]):
    stream = os.open(name, os.O_RDWR | os.O_CREAT)
    os.dup2(stream, number)
    os.close(stream)
sys.path[:0] = work["path"]
sys.argv = ["-c", *work["arguments"]]
exec(work["code"], {{"__name__": "__main__"}})
"""
RUN_FILE = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
"""Code for `Host.run` whose first argument is a program's file."""

_READ_AT_START = ("PYTHON", "LANG", "LC_", "TZ")


class Ended(NamedTuple):
    """How a program ended: its exit status, and what it wrote to its streams."""

    status: int
    stdout: bytes
    stderr: bytes


def suits(variables: Mapping[str, str]) -> bool:
    """True if no variable is one that an interpreter reads when it starts."""
    return not any(name.startswith(_READ_AT_START) and name != "PYTHONPATH" for name in variables)


class Host:
    """An interpreter of which each run is a fork."""

    def __init__(self, python: str, imports: str) -> None:
        self._lock = Lock()
        self._process = subprocess.Popen(
            [python, "-c", _HOST.format(imports=imports, limit=_LIMIT_SECONDS)],
            env={},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.communicate)

    def run(
        self,
        code: str,
        *arguments: str,
        variables: Mapping[str, str],
        cwd: Path,
        stdin: bytes = b"",
    ) -> Ended:
        """Run code to its end."""
        with tempfile.TemporaryDirectory() as name, self._lock:
            streams = [Path(name, stream) for stream in ("stdin", "stdout", "stderr")]
            streams[0].write_bytes(stdin)
            work = {
                "code": code,
                "arguments": arguments,
                "variables": dict(variables),
                "path": [variables["PYTHONPATH"]] if "PYTHONPATH" in variables else [],
                "cwd": str(cwd),
                "streams": list(map(str, streams)),
            }
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(work) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return Ended(status, streams[1].read_bytes(), streams[2].read_bytes())


_hosts: dict[tuple[str, str], Host] = {}
_lock = Lock()


def host_of(python: str, imports: str) -> Host:
    """Return the one host of its kind, for all threads."""
    with _lock:
        if (python, imports) not in _hosts:
            _hosts[python, imports] = Host(python, imports)
        return _hosts[python, imports]
