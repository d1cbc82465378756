"""Namespaces for a command: a network that leads nowhere but here, and its sockets."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from usagectl.capture import daemons, seal_script, trust
from usagectl.errors import UsagectlError
from usagectl.machine import processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.machine.environment import Environment

_SYSTEM_PROGRAMS = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin:/run/current-system/sw/bin"
"""Not the user's PATH: a package of npm, `@vercel/nft`, brings a program of the same name."""

_RESOLV = "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"
_NSSWITCH = Path("/etc/nsswitch.conf")
_FIRST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_MOST_MESSAGE_BYTES = 65536
_MOST_DESCRIPTORS = 16
_CAP_SETUID = 1 << 7


class SealUnavailableError(UsagectlError):
    """This system refuses a step of a sealed run."""

    code = "seal-unavailable"
    exit_status = 3

    def __init__(self, step: str, *, reason: str, hint: str) -> None:
        super().__init__(f"A sealed run needs {step}, and here {reason}.", hint=hint)


class SealBrokenError(UsagectlError):
    """The first process of a sealed run has ended before its command: nobody knows why."""

    code = "seal-broken"
    exit_status = 3

    def __init__(self) -> None:
        super().__init__(
            "The sealed run was ended from outside before its command had ended, so what it "
            "recorded proves nothing.",
            hint="usagectl capture --sealed -- CMD",
        )


class Sockets(NamedTuple):
    """Sockets of the network, to be served by this process."""

    web: tuple[socket.socket, ...]  # Listening, TCP; port 53 may be among them.
    names: tuple[socket.socket, ...]  # UDP port 53, which say whom each packet was for.
    packets: socket.socket  # All that goes over loopback, without a link-layer head.


class Namespace:
    """A user's own user, network, mount, IPC and PID namespaces, from `with` to its end.

    Every address leads to its sockets, and there is no other interface. Commands keep the user's
    ID, terminal and process group, and hold no capability over the namespaces. Files that are
    `kept` from them are empty to them. Folders that are `replaced` by others, whether they are
    there or not, are those others to them. At the end all that runs in it is killed.

    Raises:
        SealUnavailableError: the system refuses a step.
    """

    def __init__(
        self,
        folder: Path,
        *,
        authority_pem: bytes,
        environment: Environment,
        kept: Sequence[Path] = (),
        replaced: Mapping[Path, Path] | None = None,
    ) -> None:
        self._folder = folder
        self._replaced = replaced or {}
        self._kept = kept
        self._inside = folder / "seal"
        self._own = environment.variables
        self._trust = trust.plan(authority_pem.decode(), environment.variables, folder=self._inside)
        self.variables: Mapping[str, str] = self._trust.variables
        self.hidden = daemons.sockets(environment.variables)
        self.sockets: Sockets
        self.has_redirect = self.has_ipv6 = False
        self._is_empty = True
        self._ended: int | None = None
        self._process: subprocess.Popen[bytes]
        self._keeper: socket.socket
        self._control: socket.socket

    def __enter__(self) -> Self:
        """Make the namespaces."""
        if sys.platform != "linux":
            raise SealUnavailableError(
                "Linux", reason=f"this is {sys.platform}", hint="usagectl capture --proxy -- CMD"
            )
        if getattr(sys, "frozen", False) or not sys.executable:
            raise SealUnavailableError(
                "a Python to start",
                reason="usagectl is a program that holds its own",
                hint="pipx install usagectl",
            )
        is_root = _may_map_all()
        self._inside.mkdir(mode=0o700, exist_ok=True)
        try:
            self._make("all" if is_root else "one")
        except SealUnavailableError:
            if not is_root:
                raise
            # A container's /proc may be masked, and cannot be mounted anew in a user namespace.
            self._make("")
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and close its sockets."""
        self.close()
        for each in (*self.sockets.web, *self.sockets.names, self.sockets.packets):
            each.close()

    def _make(self, user: str) -> None:
        self._keeper, keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control, controls = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with keepers, controls:
            passed = (keepers.fileno(), controls.fileno())
            script = [sys.executable, "-I", "-S", str(seal_script.__file__), *map(str, passed)]
            self._process = subprocess.Popen(script, pass_fds=passed)  # noqa: S603  (our own)
        _send(self._keeper, self._plan(user))
        try:
            message, sockets = self._hear(self._keeper)
            if "unshared" in message:
                _map_all(self._process.pid)
                _send(self._keeper, {})
                message, sockets = self._hear(self._keeper)
            self._hear(self._control)
        except SealUnavailableError:
            self.close()
            raise
        web, names = message["web"], message["names"]
        self.sockets = Sockets((*sockets[:web],), (*sockets[web : web + names],), sockets[-1])
        self.has_redirect = message["has_redirect"]
        self.has_ipv6 = names > 1

    def _plan(self, user: str) -> dict[str, object]:
        mounts = [*self._trust.mounts]
        files = {**self._trust.files, "resolv.conf": _RESOLV}
        if Path("/etc/resolv.conf").exists():
            mounts.append(("resolv.conf", os.path.realpath("/etc/resolv.conf")))
        if _NSSWITCH.exists():
            files["nsswitch.conf"] = _with_plain_hosts(_NSSWITCH)
            mounts.append(("nsswitch.conf", os.path.realpath(_NSSWITCH)))
        return {
            "user": user,
            "uid": os.getuid(),
            "gid": os.getgid(),
            "folder": str(self._folder),
            "inside": str(self._inside),
            "files": files,
            "mounts": mounts,
            "hidden": self.hidden,
            "replaced": {str(each): str(other) for each, other in self._replaced.items()},
            "kept": [str(each.absolute()) for each in self._kept],
            "first_port": _first_port(),
            "nft": shutil.which("nft", path=_SYSTEM_PROGRAMS) or "",
        }

    def _hear(self, control: socket.socket) -> tuple[dict[str, Any], list[socket.socket]]:
        message, sockets = _receive(control)
        if "refused" in message or not message:
            number = message.get("errno", 0)
            raise SealUnavailableError(
                message.get("refused", "a process of its own"),
                reason=f"the system says: {os.strerror(number)}" if number else "it ended at once",
                hint=_advice(),
            )
        return message, sockets

    def run(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        cwd: Path | None = None,
        streams: tuple[int, int, int] = (0, 1, 2),
    ) -> int:
        """Run a command in the foreground and return its exit status, as `processes.run_child`.

        It gets the three streams and no other open descriptor.

        Raises:
            CommandNotFoundError: no such program.
            CommandNotExecutableError: there is one, but it cannot be started.
            SealBrokenError: the namespace was ended from outside.
        """

        def start() -> Namespace:
            self.start(command, variables, cwd=cwd, streams=streams)
            return self

        return processes.run_started(start)

    def start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        cwd: Path | None = None,
        streams: tuple[int, int, int] = (0, 1, 2),
    ) -> None:
        """Start a command, which can then be waited for.

        Raises:
            CommandNotFoundError: no such program.
            CommandNotExecutableError: there is one, but it cannot be started.
        """
        self._ended, self._is_empty = None, False
        kept = processes.without_own(variables)
        job = {"command": [*command], "variables": kept, "cwd": str(cwd) if cwd else ""}
        _send(self._control, job, *streams)
        while True:
            message = self._next()
            if "started" in message:
                return
            if "failed" in message:
                error = OSError(message["failed"], os.strerror(message["failed"]))
                raise processes.translated(error, command[0], variables)

    def send_signal(self, number: int) -> None:
        """Send a signal to the command."""
        with suppress(OSError):
            self._control.send(json.dumps({"signal": int(number)}).encode())

    def kill(self) -> None:
        """Kill all that runs in it."""
        with suppress(OSError):
            self._control.send(b'{"kill": true}')

    def wait(self) -> int:
        """Wait until the command has ended; return its status, negative for a signal."""
        while self._ended is None:
            self._next()
        return self._ended

    def poll(self) -> int | None:
        """Return the status of a command that has ended, negative for a signal."""
        while _is_readable(self._control):
            self._next()
        return self._ended

    @property
    def is_empty(self) -> bool:
        """True if nothing of the commands runs any more."""
        if self._control.fileno() >= 0:
            with suppress(SealBrokenError):  # Then the kernel has ended all.
                self.poll()
        return self._is_empty

    def _next(self) -> dict[str, Any]:
        message, _ = _receive(self._control)
        if not message:
            self._is_empty = True
            raise SealBrokenError
        self._ended = message.get("ended", self._ended)
        self._is_empty = message.get("is_empty", self._is_empty)
        return message

    def close(self) -> int:
        """Kill what runs in it, and let the kernel take it away; return how many that were.

        Closing twice is fine.
        """
        if self._keeper.fileno() < 0:
            return 0
        left = 0 if self.is_empty else self._count()
        with suppress(OSError):
            self._keeper.send(b"end")
        for each in (self._keeper, self._control):
            each.close()
        self._process.wait()
        self._is_empty = True
        return left

    def _count(self) -> int:
        """Count the processes that still run, beside the first."""
        with suppress(OSError, SealBrokenError):
            self._control.send(b'{"count": true}')
            while "count" not in (message := self._next()):
                pass
            return int(message["count"])
        return 0


def _send(control: socket.socket, message: Mapping[str, object], *descriptors: int) -> None:
    """Send a message in an anonymous file: an environment may be larger than a packet."""
    document = os.memfd_create("usagectl")
    with os.fdopen(document, "wb") as stream:
        stream.write(json.dumps(message).encode())
        stream.seek(0)
        with suppress(BrokenPipeError, ConnectionResetError):  # The answer will say so.
            socket.send_fds(control, [b"{}"], [stream.fileno(), *descriptors])


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[socket.socket]]:
    """Receive a message and its sockets; without any where the other end is closed."""
    try:
        data, made, _, _ = socket.recv_fds(control, _MOST_MESSAGE_BYTES, _MOST_DESCRIPTORS)
    except ConnectionResetError:
        return {}, []
    return json.loads(data or b"{}"), [socket.socket(fileno=each) for each in made]


def _is_readable(control: socket.socket) -> bool:
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    return bool(waiting.poll(0))


def _may_map_all() -> bool:
    """True if this process may map the IDs of all users into a namespace."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        effective = next(line for line in lines if line.startswith("CapEff:"))
        return os.geteuid() == 0 and bool(int(effective.split()[1], 16) & _CAP_SETUID)
    return False


def _map_all(process: int) -> None:
    """Map every ID of ours to itself, so that root in it can give files away as outside."""
    for kind in ("uid_map", "gid_map"):
        ranges = (line.split() for line in Path("/proc/self", kind).read_text().splitlines())
        text = "\n".join(f"{first} {first} {count}" for first, _, count in ranges)
        with suppress(OSError):  # Then what needs it is refused, and said.
            Path(f"/proc/{process}", kind).write_text(text)


def _first_port() -> str:
    """Return the first port that every user may listen on here; empty for the kernel's own."""
    with suppress(OSError):
        return _FIRST_PORT.read_text(encoding="ascii").strip()
    return ""


def _with_plain_hosts(file: Path) -> str:
    """Return a nsswitch.conf that asks no daemon for names."""
    with suppress(OSError):
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        kept = [line for line in lines if not line.lstrip().startswith("hosts:")]
        return "\n".join([*kept, "hosts: files dns", ""])
    return "hosts: files dns\n"


def _advice() -> str:
    """Return the switch that would allow it."""
    restricted = "kernel.apparmor_restrict_unprivileged_userns"
    for switch, refusing, allowing in (
        ("user.max_user_namespaces", "0", "15000"),
        (restricted, "1", "0"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
    ):
        with suppress(OSError):
            if Path("/proc/sys", *switch.split(".")).read_text().strip() == refusing:
                return f"sudo sysctl {switch}={allowing}"
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined IMAGE"
    return "unshare --user --map-root-user --net true"
