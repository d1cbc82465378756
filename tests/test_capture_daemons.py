"""Tests of the sockets that a sealed command must not reach."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from usagectl.capture import daemons

RELATIVE = """
import socket, sys
with socket.socket(socket.AF_UNIX) as made:
    made.bind("r.sock")
    made.listen()
    print("bound", flush=True)
    sys.stdin.read()
"""


def test_every_socket_is_found_however_it_was_bound(tmp_path: Path) -> None:
    """By its path, by one from where its process works, or without anyone who is seen."""
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    (folder / "file.sock").touch()
    with socket.socket(socket.AF_UNIX) as bound, socket.socket(socket.AF_UNIX) as gone:
        bound.bind(str(folder / "b.sock"))
        gone.bind(str(folder / "g.sock"))
        gone.close()
        with subprocess.Popen(
            [sys.executable, "-c", RELATIVE],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"bound\n"
            found = daemons.sockets({"XDG_RUNTIME_DIR": str(tmp_path / "none")})
            process.communicate(b"")
        near = daemons.sockets({"XDG_RUNTIME_DIR": str(tmp_path)})
    own = {Path(each).name for each in found if each.startswith(str(folder))}
    assert {"b.sock", "r.sock"} <= own
    assert "file.sock" not in own
    assert str(folder / "g.sock") in near
    assert not any(each.startswith("/proc/") for each in near)
