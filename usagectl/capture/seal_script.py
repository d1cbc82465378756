"""The inside of a sealed run: two processes that make its namespaces, and start commands in them.

Started as a script, so only the standard library is imported here, and nothing of usagectl.
The *keeper* makes the namespaces, hands the sockets of the network out, and takes all away when
usagectl is gone, however that ended. Its child, *init*, is the first process of the PID
namespace: it starts the commands, and the kernel ends them all with it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_NEW_NAMESPACE = {  # linux/sched.h
    "mount": 0x00020000,
    "IPC": 0x08000000,
    "user": 0x10000000,
    "PID": 0x20000000,
    "network": 0x40000000,
}
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_MS_RDONLY, _MS_REMOUNT = 1, 32
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 1, 22, 24, 47
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4
_CAPABILITY_VERSION = 0x20080522
_NET_ADMIN = 12
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_ETH_P_ALL = 3
_IP_PKTINFO = 8
_PORTS = (53, 80, 443)
"""The TCP ports that are served where nft cannot lead every port to one."""

_DROPPED = (  # linux/capability.h: with these a command could leave, or see more than it should.
    2,  # DAC_READ_SEARCH: opens files by handle, past every mount
    12,  # NET_ADMIN
    16,  # SYS_MODULE
    17,  # SYS_RAWIO
    19,  # SYS_PTRACE
    21,  # SYS_ADMIN
    22,  # SYS_BOOT
    27,  # MKNOD
    38,  # PERFMON
    39,  # BPF
    40,  # CHECKPOINT_RESTORE
)
_AF_VSOCK, _IO_URING_SETUP = 40, 425
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: ioctl_tty(2), ioctl_console(2)
_CALLS = {  # linux/audit.h, and the numbers of socket(2) and ioctl(2)
    "x86_64": (0xC000003E, 41, 16),
    "aarch64": (0xC00000B7, 198, 29),
    "riscv64": (0xC00000F3, 198, 29),
    "ppc64le": (0xC0000015, 326, 54),
}
_ALLOWED, _REFUSED = 0x7FFF0000, 0x00050000  # linux/seccomp.h
_REDIRECT = """table inet usagectl {{
    chain out {{
        type nat hook output priority -100;
        ip daddr 127.0.0.0/8 return
        ip6 daddr ::1 return
        meta l4proto tcp redirect to :{port}
    }}
}}
"""
_MOST_BYTES = 65536
_PROBE_SECONDS = 2.0

_libc = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """A step that the system refuses: its name, and the number of the error."""

    def __init__(self, step: str, number: int) -> None:
        super().__init__(step, number)
        self.step = step
        self.number = number


def _call(step: str, function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) < 0:
        raise RefusedError(step, ctypes.get_errno())


def _mount(
    step: str, source: str, target: str, kind: str = "", flags: int = 0, data: str = ""
) -> None:
    texts = (os.fsencode(each) or None for each in (source, target, kind))
    _call(step, _libc.mount, *texts, ctypes.c_ulong(flags), os.fsencode(data) or None)


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Receive one message: its document, from an anonymous file, and further descriptors."""
    data, descriptors, _, _ = socket.recv_fds(control, _MOST_BYTES, 8)
    for each in descriptors:  # Python 3.11 does not pass on the flag that says so.
        os.set_inheritable(each, False)  # noqa: FBT003  (its only way)
    if not data:
        return None
    if not descriptors:
        return json.loads(data), []
    with os.fdopen(descriptors[0], "rb") as document:
        return json.load(document), descriptors[1:]


def _send(control: socket.socket, message: dict[str, object], *made: socket.socket) -> None:
    data = json.dumps(message).encode()
    with suppress(OSError):  # usagectl may be gone.
        socket.send_fds(control, [data], [each.fileno() for each in made])


# The keeper.


def keep(keeper: socket.socket, control: socket.socket) -> None:
    """Make the namespaces, start init, and end all with usagectl."""
    # A forked handler must not run in init: what is to be passed on reaches the command itself.
    plan = (_receive(keeper) or ({}, []))[0]
    try:
        _unshare_user(keeper, plan)
        _unshare("network", "mount", "IPC")
        _prepare_mounts(plan)
        _bring_up(plan["first_port"])
        _send(keeper, *_listen(plan["nft"]))
        _unshare("PID")  # Its first process is the next child: nft has ended.
    except RefusedError as refused:
        _send(keeper, {"refused": refused.step, "errno": refused.number})
        return
    except OSError as error:
        step = f"its own {error.filename or 'files and sockets'}"
        _send(keeper, {"refused": step, "errno": error.errno or 0})
        return
    init = os.fork()
    if not init:
        keeper.close()
        _be_init(control)
    control.close()
    os.setpgid(0, 0)  # A signal to the group that kills usagectl must not take this along.
    _wait_for_the_end(keeper, init, plan)


def _unshare(*names: str) -> None:
    for name in names:
        _call(f"a {name} namespace", _libc.unshare, _NEW_NAMESPACE[name])


def _unshare_user(keeper: socket.socket, plan: dict[str, Any]) -> None:
    if not plan["user"]:
        return
    _unshare("user")
    if plan["user"] == "all":  # Only a process outside may map the IDs of others.
        _send(keeper, {"unshared": True})
        _receive(keeper)
        return
    try:
        Path("/proc/self/setgroups").write_text("deny")
        for kind, number in (("uid", plan["uid"]), ("gid", plan["gid"])):
            Path(f"/proc/self/{kind}_map").write_text(f"{number} {number} 1")
    except OSError as error:
        raise RefusedError("the user's ID in a user namespace", error.errno or 0) from error


def _prepare_mounts(plan: dict[str, Any]) -> None:
    """Put the run's own files over the system's, and nothing over the sockets of daemons."""
    _mount("mounts of its own", "", "/", flags=_MS_REC | _MS_PRIVATE)
    inside = Path(plan["inside"])
    flags = _MS_NOSUID | _MS_NODEV
    _mount("a file system in memory", "tmpfs", str(inside), "tmpfs", flags, "mode=0755")
    for target, source in plan["replaced"].items():
        _replace(Path(target), Path(source))
    for name, text in plan["files"].items():
        (inside / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    for name, target in plan["mounts"]:
        _mount(f"a file over {target}", str(inside / name), target, flags=_MS_BIND)
    empty = inside / "empty"
    empty.touch(0o600)
    for target in (*plan["hidden"], *plan["kept"]):
        with suppress(RefusedError):  # It is gone, or the command cannot reach it either.
            _mount("", str(empty), target, flags=_MS_BIND)


def _replace(target: Path, source: Path) -> None:
    """Put a folder of the run in place of another one, of which the system need have none."""
    source.mkdir(parents=True, exist_ok=True)
    if not target.is_dir():
        _rebuild(next(each for each in target.parents if each.is_dir()))
        target.mkdir(parents=True)
    _mount(f"a folder over {target}", str(source), str(target), flags=_MS_BIND)


def _rebuild(folder: Path) -> None:
    """Put one in memory in place of a folder, with all that is in that: only there can more be."""
    step = f"a folder in place of {folder}"
    if folder == Path("/"):
        raise RefusedError(step, errno.EBUSY)
    before = os.open(folder, os.O_PATH)
    with os.scandir(folder) as found:
        entries = [(x.name, x.is_symlink(), x.is_dir(follow_symlinks=False)) for x in found]
    _mount(step, "tmpfs", str(folder), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
    for name, is_link, is_folder in entries:
        there = folder / name
        if is_link:
            there.symlink_to(os.readlink(name, dir_fd=before))
            continue
        there.mkdir() if is_folder else there.touch()
        covered = f"/proc/self/fd/{before}/{name}"
        _mount(f"{there} in its place", covered, str(there), flags=_MS_BIND | _MS_REC)
    os.close(before)


def _bring_up(first_port: str) -> None:
    """Bring loopback up, and lead every address of IPv4 and IPv6 there.

    A command may listen on the ports that it may have outside.
    """
    with suppress(OSError):
        Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text(first_port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        try:
            asked = fcntl.ioctl(made, _SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
            flags = struct.unpack("16sH14x", asked)[1] | _IFF_UP
            fcntl.ioctl(made, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))
        except OSError as error:
            raise RefusedError("loopback", error.errno or 0) from error
    _route(socket.AF_INET)
    with suppress(RefusedError):  # The system may have no IPv6.
        _route(socket.AF_INET6)


def _route(family: int) -> None:
    """Make every address of a family local: `ip route add local default dev lo` (rtnetlink(7))."""
    new_route, flags = 24, 1 | 4 | 0x400  # RTM_NEWROUTE; REQUEST, ACK, CREATE
    table, protocol, scope, kind, interface = 255, 3, 254, 2, 4  # local, boot, host, local; OIF
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, table, protocol, scope, kind, 0)
    body += struct.pack("=HHI", 8, interface, socket.if_nametoindex("lo"))
    message = struct.pack("=IHHII", 16 + len(body), new_route, flags, 1, 0) + body
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as made:
            made.send(message)
            number = -struct.unpack_from("=i", made.recv(_MOST_BYTES), 16)[0]
    except OSError as error:
        raise RefusedError("a route to loopback", error.errno or 0) from error
    if number:
        raise RefusedError("a route to loopback", number)


def _listen(nft: str) -> tuple[Any, ...]:
    """Make the sockets that usagectl serves, and say what they reach."""
    names = [each for each in map(_name_socket, (socket.AF_INET, socket.AF_INET6)) if each]
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    packets.bind(("lo", _ETH_P_ALL))
    web = _redirected(nft) if nft else []
    has_redirect = bool(web)
    if not web:
        families = (socket.AF_INET, socket.AF_INET6)
        found = [_listener(family, "", port) for family in families for port in _PORTS]
        web = [each for each in found if each]
    about = {"web": len(web), "names": len(names), "has_redirect": has_redirect}
    return about, *web, *names, packets


def _redirected(nft: str) -> list[socket.socket]:
    """Lead every TCP port to one, on both loopback addresses; empty where that fails."""
    first = _listener(socket.AF_INET, "127.0.0.1", 0)
    port = first.getsockname()[1] if first else 0
    both = [first, _listener(socket.AF_INET6, "::1", port)]
    if _run_nft(nft, _REDIRECT.format(port=port)) and all(map(_arrives, both)):
        return [each for each in both if each]
    for each in both:
        if each:
            each.close()
    return []


def _arrives(listening: socket.socket | None) -> bool:
    """True if a connection to another address comes to a listener; without one there is none."""
    if listening is None:
        return True
    address = "198.18.0.0" if listening.family == socket.AF_INET else "2001:db8::"
    try:
        socket.create_connection((address, 9), _PROBE_SECONDS).close()
        listening.settimeout(_PROBE_SECONDS)
        listening.accept()[0].close()
        listening.settimeout(None)
    except OSError:
        return False
    return True


def _run_nft(nft: str, rules: str) -> bool:
    """Run nft, which keeps the right to make rules for a user too; True if it made them.

    That right goes to it alone: no command inherits it.
    """
    _inherit(1 << _NET_ADMIN)
    _libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, _NET_ADMIN, 0, 0)
    done = subprocess.run(  # noqa: S603  (the system's own program)
        [nft, "-f", "-"], input=rules.encode(), capture_output=True, check=False
    )
    _inherit(0)
    return done.returncode == 0


def _inherit(capabilities: int) -> None:
    """Set the capabilities that children may inherit; ambient ones go with them (capset(2))."""
    head = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    held = ctypes.create_string_buffer(24)
    if _libc.capget(head, held) == 0:
        words = list(struct.unpack("=6I", held.raw))
        words[2] = capabilities  # Effective, permitted, inheritable, each in two parts.
        _libc.capset(head, struct.pack("=6I", *words))


def _listener(family: int, address: str, port: int) -> socket.socket | None:
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(4096)
    except OSError as error:
        if family == socket.AF_INET6:  # The system may have none.
            return None
        raise RefusedError("a port of TCP", error.errno or 0) from error
    return made


def _name_socket(family: int) -> socket.socket | None:
    try:
        made = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        made.bind(("", 53))
    except OSError as error:
        if family == socket.AF_INET6:
            return None
        raise RefusedError("port 53 of UDP", error.errno or 0) from error
    return made


def _wait_for_the_end(keeper: socket.socket, init: int, plan: dict[str, Any]) -> None:
    """Wait until init ends or usagectl is gone; without its word, take its folder away too."""
    select.select([keeper.fileno(), os.pidfd_open(init)], [], [])
    with suppress(ProcessLookupError):
        os.kill(init, signal.SIGKILL)
    os.waitpid(init, 0)
    said = b""
    with suppress(OSError):
        said = keeper.recv(_MOST_BYTES)
    if not said:
        # The mounts end with this process; their places must be free before.
        for place in (plan["inside"], *plan["kept"]):
            _libc.umount2(os.fsencode(place), _MNT_DETACH)
        shutil.rmtree(plan["folder"], ignore_errors=True)


# Init.


def _be_init(control: socket.socket) -> NoReturn:
    """Start commands, and say how they end, as long as usagectl listens."""
    status = 1
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
        _mount("a /proc of its own", "proc", "/proc", "proc", flags)
        _close_the_kernel()
        _refuse_calls()
        _send(control, {"ready": True})
        _Init(control).serve()
        status = 0
    except RefusedError as refused:
        _send(control, {"refused": refused.step, "errno": refused.number})
    finally:
        os._exit(status)


def _close_the_kernel() -> None:
    """Make the kernel's switches unwritable: some have it start a program outside, for root."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123
        places = [line.split()[4] for line in lines]
    below = [each for each in places if each == "/sys" or each.startswith("/sys/")]
    for place in ("/proc/sys", "/proc/sysrq-trigger", *below):
        with suppress(RefusedError, OSError):  # Not there, or hidden: then nobody can write it.
            kept = os.statvfs(place).f_flag & (_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
            if not place.startswith("/sys"):
                _mount("", place, place, flags=_MS_BIND)
            _mount("", "", place, flags=_MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept)


def _refuse_calls() -> None:
    """Refuse the calls by which a command could leave, past every namespace.

    Sockets to the host of a virtual machine, which no network namespace holds; rings of
    io_uring(7), which make sockets past a filter; words put into the user's terminal, which a
    shell would run afterwards. Programs of another architecture, whose calls have other numbers,
    do not run: on x86_64 those of 32 bits.
    """
    known = _CALLS.get(os.uname().machine)
    if known:
        architecture, socket_call, ioctl_call = known
        refused = [(ioctl_call, 1, each, errno.EPERM) for each in _TERMINAL_INPUT]
        _filter(architecture, [(socket_call, 0, _AF_VSOCK, errno.EAFNOSUPPORT), *refused])
    with suppress(OSError), socket.socket(_AF_VSOCK, socket.SOCK_STREAM):
        raise RefusedError("a filter of system calls", errno.EOPNOTSUPP)


def _filter(architecture: int, refused: Iterable[tuple[int, int, int, int]]) -> None:
    """Load a filter (seccomp(2)): call, place and value of an argument, and the error it gives."""
    load, equals, mask, give = 0x20, 0x15, 0x54, 0x06  # linux/bpf_common.h
    number = [(load, 0, 0, 0), (mask, 0, 0, 0xBFFFFFFF)]  # x32's are those with a bit more.
    steps = [(load, 0, 0, 4), (equals, 1, 0, architecture), (give, 0, 0, _REFUSED | errno.ENOSYS)]
    steps += [*number, (equals, 0, 1, _IO_URING_SETUP), (give, 0, 0, _REFUSED | errno.ENOSYS)]
    for call, place, value, error in refused:
        argument = 16 + 8 * place
        steps += [*number, (equals, 0, 3, call), (load, 0, 0, argument), (equals, 0, 1, value)]
        steps.append((give, 0, 0, _REFUSED | error))
    steps.append((give, 0, 0, _ALLOWED))
    rules = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(rules))
    _libc.prctl(_PR_SET_SECCOMP, 2, program, 0, 0)


class _Init:
    """The first process of the namespace: it reaps all others."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._command = 0
        self._restored = _ignore_signals()
        self._wake, woken = socket.socketpair()
        for each in (self._wake, woken):
            each.settimeout(0)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        self._woken = woken

    def serve(self) -> None:
        """Serve until usagectl closes its end."""
        while True:
            ready, _, _ = select.select([self._control, self._wake], [], [])
            if self._wake in ready:
                with suppress(BlockingIOError):
                    self._wake.recv(_MOST_BYTES)
                self._reap()
            if self._control in ready:
                received = _receive(self._control)
                if received is None:
                    return
                self._obey(*received)

    def _obey(self, message: dict[str, Any], streams: list[int]) -> None:
        if "command" in message:
            self._run(message, streams)
        elif "count" in message:
            others = [each for each in os.listdir("/proc") if each.isdecimal() and each != "1"]  # noqa: PTH208
            _send(self._control, {"count": len(others)})
        elif "kill" in message:
            with suppress(ProcessLookupError):  # There is nobody but this process.
                os.kill(-1, signal.SIGKILL)
        elif self._command:
            with suppress(ProcessLookupError):
                os.kill(self._command, message["signal"])

    def _run(self, job: dict[str, Any], streams: list[int]) -> None:
        """Start a command; say its number, or the error for which it did not start."""
        reading, writing = os.pipe()
        self._command = os.fork()
        if not self._command:
            _exec(job, streams, writing, self._restored)
        os.close(writing)
        for each in streams:
            os.close(each)
        with os.fdopen(reading, "rb") as pipe:
            failed = pipe.read()
        if failed:
            os.waitpid(self._command, 0)
            self._command = 0
        _send(self._control, {"failed": int(failed)} if failed else {"started": self._command})

    def _reap(self) -> None:
        """Reap what has ended; say how the command ended, and whether nothing is left."""
        message: dict[str, object] = {"is_empty": False}
        try:
            while True:
                number, status = os.waitpid(-1, os.WNOHANG)
                if not number:
                    break
                if number == self._command:
                    message["ended"] = os.waitstatus_to_exitcode(status)
                    self._command = 0
        except ChildProcessError:
            message["is_empty"] = True
        _send(self._control, message)


def _ignore_signals() -> list[int]:
    """Ignore what a terminal sends to the whole group; return what a command takes as usual."""
    kept = []
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        # Python ignores SIGPIPE and SIGXFSZ itself, whatever we were started with.
        if signal.getsignal(number) != signal.SIG_IGN or number in _IGNORED_BY_PYTHON:
            kept.append(number)
        if number in _FROM_OUTSIDE:
            signal.signal(number, signal.SIG_IGN)
    return [*kept, signal.SIGCHLD]


_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_FROM_OUTSIDE = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTSTP),
    *(signal.SIGTTIN, signal.SIGTTOU),
)


def _exec(
    job: dict[str, Any], streams: Sequence[int], failure: int, restored: Iterable[int]
) -> NoReturn:
    """Become the command: without capabilities over the namespaces, with its own streams."""
    try:
        for place, each in enumerate(_moved_up(streams)):
            os.dup2(each, place)
        if job["cwd"]:
            os.chdir(job["cwd"])
        for number in restored:
            signal.signal(number, signal.SIG_DFL)
        _inherit(0)
        _libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
        for capability in _DROPPED:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        command = [os.fsencode(each) for each in job["command"]]
        variables = {os.fsencode(n): os.fsencode(v) for n, v in job["variables"].items()}
        os.execvpe(command[0], command, variables)  # noqa: S606  (what the user typed)
    except OSError as error:
        os.write(failure, str(error.errno or errno.ENOEXEC).encode())
    finally:
        os._exit(127)


def _moved_up(streams: Sequence[int]) -> list[int]:
    """Duplicate descriptors above the standard ones, so that none overwrites another."""
    return [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in streams]


if __name__ == "__main__":
    given = [socket.socket(fileno=int(each)) for each in sys.argv[1:3]]
    for each in given:
        each.set_inheritable(False)
    keep(*given)
