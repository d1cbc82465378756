"""Own the machine that one run of a tool gets: its folders, its variables, and what it wrote."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.conformance.canaries import Planted

_DEAD = "http://127.0.0.1:9"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


class Done(NamedTuple):
    """Hold how a command line ended.

    Attributes:
        status: its exit status.
        stdout: what it wrote, with the folder and the port of this run taken out.
        stderr: the same.
        seconds: until it had ended and its output was closed, as `$(command)` waits.
        own_seconds: until it had ended.
        is_late: it was ended because it took too long.
        is_left: something of it ran on for too long, and was ended.
    """

    status: int
    stdout: bytes
    stderr: bytes
    seconds: float
    own_seconds: float
    is_late: bool
    is_left: bool


class Machine:
    """Be the folders of one run."""

    def __init__(self, root: Path, planted: Planted) -> None:
        self._root = root
        self._planted = planted
        self.home = root / "home" / planted.home
        self.work = root / "work" / planted.work

    def make(self) -> None:
        """Make the folders, and the files that hold what must not be sent."""
        for folder in (self.home, self.work, self._root / "tmp", self._root / "run"):
            folder.mkdir(parents=True, mode=0o700)
        for name, text in self._planted.files.items():
            file = Path(self.locate(name))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")

    def locate(self, name: str) -> str:
        """Name a file of the spec: below the working folder, or below home after `~/`."""
        below_home = name.removeprefix("~/")
        return str(self.home / below_home if below_home != name else self.work / name)

    @property
    def variables(self) -> dict[str, str]:
        """List what a program is told of them; no proxy leads anywhere."""
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
        """Take the folder and the ports out of what was written: they differ from run to run."""

        def plain(coded: str) -> bytes:
            data = base64.b64decode(coded).replace(str(self._root).encode(), b"{root}")
            for port in ports:
                data = data.replace(f":{port}".encode(), b":{port}")
            return data

        return Done(
            step["status"],
            plain(step["stdout"]),
            plain(step["stderr"]),
            step["seconds"],
            step["own_seconds"],
            step["is_late"],
            step["is_left"],
        )
