"""Tests of what holds a sealed run: attacks from inside, refusals of the system, sudden ends."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import sealing
from tests.support.commands import start
from tests.support.counting import wait_until
from tests.support.sealing import seal

if TYPE_CHECKING:
    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has namespaces")

RUNS = int(os.environ.get("USAGECTL_SEALED_RUNS", "4"))

ATTACKS = """
import ctypes, errno, fcntl, json, mmap, os, signal, socket, subprocess, sys, termios
libc = ctypes.CDLL(None, use_errno=True)
done = {}

def call(name, function, *arguments):
    if function(*arguments) >= 0:
        done[name] = "it worked"

def attempt(name, function):
    try:
        done[name] = repr(function())
    except OSError:
        pass

def run(*words):
    try:
        if subprocess.run(words, capture_output=True, timeout=20).returncode == 0:
            done[" ".join(words)] = "it worked"
    except FileNotFoundError:
        pass

open_ones = [int(each) for each in os.listdir("/proc/self/fd")]
for each in open_ones:
    if each > 2:
        attempt(f"descriptor {each}", lambda: os.readlink(f"/proc/self/fd/{each}"))
folder = os.path.dirname(os.path.dirname(os.environ["NODE_EXTRA_CA_CERTS"]))
for name in ("environ", "mem", "maps"):
    attempt("read init's " + name, lambda: open(f"/proc/1/{name}", "rb").read(1))
attempt("list init's root", lambda: os.listdir("/proc/1/root"))
for name in ("ns/net", "ns/mnt", "ns/user", "fd/0", "fd/5", "fd/7"):
    attempt("open init's " + name, lambda: os.open(f"/proc/1/{name}", os.O_RDONLY))
call("trace init", libc.ptrace, 16, 1, 0, 0)
for place in ("/etc/resolv.conf", "/etc/nsswitch.conf", "/proc", folder + "/capture.jsonl"):
    call("unmount " + place, libc.umount2, place.encode(), 2)
    run("unshare", "-Urm", "umount", "-l", place)
call("mount", libc.mount, b"tmpfs", b"/mnt", b"tmpfs", 0, None)
call("hide", libc.mount, folder.encode(), b"/mnt", b"", 4096, None)
for name in ("net", "mnt", "user"):
    call("enter " + name, libc.setns, os.open(f"/proc/self/ns/{name}", os.O_RDONLY), 0)
call("chroot into init", libc.chroot, b"/proc/1/root")
run("ip", "route", "flush", "table", "local")
run("ip", "link", "set", "lo", "down")
run("nft", "flush", "ruleset")
run("/usr/sbin/nft", "flush", "ruleset")
run("unshare", "-Ur", "/usr/sbin/nft", "flush", "ruleset")
run("unshare", "-Urm", "sh", "-c", "mount --bind /etc /mnt")
run("unshare", "-Urm", "mount", "-t", "proc", "proc", "/mnt")
run("unshare", "-Urm", "mount", "-t", "sysfs", "sysfs", "/mnt")
run("unshare", "-Urm", "mount", "-o", "remount,rw,bind", "/sys")
for place in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
              "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"):
    attempt("write " + place, lambda: os.open(place, os.O_WRONLY))
attempt("reach the hypervisor", lambda: socket.socket(40, socket.SOCK_STREAM))
def type_into_the_terminal():
    os.setsid()
    _, own = os.openpty()
    fcntl.ioctl(own, termios.TIOCSCTTY, 0)
    for request in (termios.TIOCSTI, 0x541C):
        try:
            fcntl.ioctl(own, request, b"\3")
        except PermissionError:
            continue
        except OSError as error:
            return f"{request:#x}: {error}"
        return f"{request:#x} worked"
    os._exit(0)

if not (child := os.fork()):
    told = type_into_the_terminal()
    print(json.dumps({"type into the terminal": told}), flush=True)
    os._exit(1)
if os.waitpid(child, 0)[1]:
    sys.exit(1)
if os.uname().machine == "x86_64":  # socket(AF_VSOCK, SOCK_STREAM, 0) by a call of 32 bits
    code = bytes.fromhex("53b867010000bb28000000b90100000031d2cd805bc3")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    entry = ctypes.addressof(ctypes.c_char.from_buffer(page))
    made = ctypes.CFUNCTYPE(ctypes.c_int)(entry)()
    if made != -errno.ENOSYS:
        done["reach the hypervisor by a call of 32 bits"] = made
call("make a ring", libc.syscall, 425, 1, ctypes.create_string_buffer(120))
attempt("reach the host's abstract socket",
        lambda: socket.socket(socket.AF_UNIX).connect("\\0" + sys.argv[1]))
attempt("reach a daemon's socket", lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[2]))
for parent, _, names in os.walk(folder):
    for name in names:
        text = open(os.path.join(parent, name), "rb").read()
        if b"PRIVATE KEY" in text or name == "capture.jsonl" and text:
            done["read " + name] = "it worked"
attempt("remove the capture file", lambda: os.unlink(folder + "/capture.jsonl"))
others = {each for each in os.listdir("/proc") if each.isdecimal()} - {"1", str(os.getpid())}
if others:
    done["see processes"] = sorted(others)
for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGSTOP, signal.SIGINT):
    os.kill(1, number)
with open("/etc/resolv.conf", "a") as stream:
    stream.write("# mine")
print(json.dumps(done))
"""


def test_attacks_from_inside_are_refused(machine: Machine, tmp_path: Path) -> None:
    """As whoever runs the tests: to leave, to re-route, to read the key, to end the first one."""
    assert attacks(machine, tmp_path) == {}


def attacks(machine: Machine, folder: Path) -> dict[str, Any]:
    """Run all attacks; return those that worked."""
    script = machine.cwd / "attacks.py"
    script.write_text(ATTACKS)
    resolv = Path("/etc/resolv.conf").read_bytes()
    abstract = f"usagectl-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as hidden, socket.socket(socket.AF_UNIX) as named:
        hidden.bind("\0" + abstract)
        named.bind(str(folder / "d.sock"))
        for each in (hidden, named):
            each.listen()
        found = seal(machine, "--", sys.executable, str(script), abstract, str(folder / "d.sock"))
    assert found.outcome.status == 0, found.outcome.stderr
    assert Path("/etc/resolv.conf").read_bytes() == resolv
    done = json.loads(found.outcome.stdout)
    assert isinstance(done, dict)
    return done


def test_attacks_of_an_ordinary_user_are_refused(tmp_path: Path) -> None:
    """The same as a user without any right; what it may not write it could not write outside."""
    sealing.require()
    interpreter = sealing.nobody()
    words = [interpreter, "-m", "usagectl", "capture", "--sealed", "--", interpreter]
    missing = str(tmp_path / "none")
    found = sealing.as_nobody([*words, "-c", ATTACKS, "none", missing], TMPDIR="/tmp")  # noqa: S108
    assert found.returncode == 0, found.stderr.decode()
    assert json.loads(found.stdout) == {}


WITHOUT_NAMESPACES = f"""
import ctypes, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {{"x86_64": 272, "aarch64": 97}}[platform.machine()]
steps = (0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | {errno.EPERM}), (
    6, 0, 0, 0x7FFF0000)
rules = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in steps))
libc.prctl(38, 1, 0, 0, 0)
libc.prctl(22, 2, struct.pack("@HP", len(steps), ctypes.addressof(rules)), 0, 0)
sys.argv[1:] = ["capture", "--sealed", "--", "touch", sys.argv[1]]
from usagectl.__main__ import main
main()
"""
"""What Docker's seccomp profile does: unshare(2) is refused."""

FROZEN = """
import sys
sys.frozen = True
sys.argv[1:] = ["capture", "--sealed", "--", "touch", sys.argv[1]]
from usagectl.__main__ import main
main()
"""


def test_what_cannot_be_sealed_is_refused_and_not_run(machine: Machine) -> None:
    """Exit status 3, the switch or the way that would help, and no command without the seal."""
    wrong = []
    for code, step, hint in (
        (WITHOUT_NAMESPACES, "namespace", "try: "),
        (FROZEN, "a Python to start", "pipx install usagectl"),
    ):
        mark = machine.cwd / "ran"
        done = subprocess.run(
            [sys.executable, "-c", code, str(mark)],
            env=machine.process_variables(),
            cwd=machine.cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = [part in done.stderr for part in ("[seal-unavailable]", step, hint)]
        if done.returncode != 3 or mark.exists() or not all(said):
            wrong.append(done)
    assert wrong == []


def test_a_user_without_namespaces_is_told_the_switch() -> None:
    """With user.max_user_namespaces=0 an ordinary user is refused; root needs none."""
    sealing.require()
    interpreter = sealing.nobody()
    inner = f"{interpreter} -m usagectl capture --sealed -- true"
    script = (
        "echo 0 > /proc/sys/user/max_user_namespaces && "
        f"exec setpriv --bounding-set -all --inh-caps -all sh -c '{inner}'"
    )
    found = sealing.as_nobody(["unshare", "-Ur", "sh", "-c", script], TMPDIR="/tmp")  # noqa: S108
    assert found.returncode == 3, found.stderr
    assert b"sudo sysctl user.max_user_namespaces=15000" in found.stderr


def test_what_the_system_lacks_is_no_obstacle(machine: Machine) -> None:
    """Without files in /etc, without a bundle, nft, a home, a working folder or room for files."""
    if os.geteuid() != 0:
        pytest.skip("only root can take files of the system away")
    wrong = {}
    post = "curl -sS -d x http://a.example/ && curl -sS -d x https://a.example/"
    for name, before in {
        "etc": "mount -t tmpfs tmpfs /etc",
        "nft": "mount -t tmpfs tmpfs /usr/sbin",
        "home": "unset HOME",
        "folder": "mkdir gone && cd gone && rmdir ../gone",
        "full": "mount -t tmpfs -o size=4k tmpfs $TMPDIR; cat /dev/zero > $TMPDIR/x 2>&-",
        "read-only": "mount -t tmpfs -o ro tmpfs $TMPDIR",
    }.items():
        line = f"{before}; exec {sys.executable} -m usagectl capture --sealed -- sh -c '{post}'"
        done = sealing.run_shell(machine, line, "unshare", "-m")
        if (done.returncode, done.stdout.count("track_events")) != (0, 2):
            wrong[name] = done
    assert wrong == {}


def test_every_status_passes_through(machine: Machine) -> None:
    """0 to 255, and a signal as a shell says it; 126 and 127 for what cannot be run."""
    (machine.cwd / "plain").write_text("")
    wrong = {}
    for words, expected in (
        (("sh", "-c", "exit 255"), 255),
        (("sh", "-c", "exit 3"), 3),
        (("sh", "-c", "kill -SEGV $$"), 128 + signal.SIGSEGV),
        (("sh", "-c", "kill -TERM $$"), 128 + signal.SIGTERM),
        (("./plain",), 126),
        (("./none",), 127),
    ):
        found = seal(machine, "--", *words)
        if found.outcome.status != expected:
            wrong[words] = found.outcome
    assert wrong == {}


def test_stdin_passes_through(machine: Machine) -> None:
    """What is piped in reaches the command."""
    sealing.require()
    found = machine.run("capture", "--sealed", "--", "tr", "a", "b", stdin=b"banana")
    assert found.stdout == "bbnbnb"


@pytest.mark.parametrize("whom", ["usagectl", "keeper", "init"])
def test_whoever_is_killed_nothing_is_left(machine: Machine, whom: str) -> None:
    """With any of the three gone, all are, and the folder; and it is never said to be proof."""
    sealing.require()
    mark = f"sleep 61.{os.getpid()}"
    machine.install_program("waits", f"#!/bin/sh\necho ready\nexec {mark}\n")
    before = Path("/proc/self/mountinfo").read_text()
    process = start(machine, "capture", "--sealed", "--expect", "silence", "--", "waits")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    keeper = children_of(process.pid)[0]
    init = children_of(keeper)[0]
    os.kill({"usagectl": process.pid, "keeper": keeper, "init": init}[whom], signal.SIGKILL)
    _, said = process.communicate(timeout=30)
    assert process.returncode == (-signal.SIGKILL if whom == "usagectl" else 3), said
    assert wait_until(lambda: not any(map(is_running, (keeper, init))))
    assert wait_until(lambda: not list((machine.folder / "tmp").iterdir()))
    assert Path("/proc/self/mountinfo").read_text() == before


def children_of(process: int) -> list[int]:
    """List the children of a process."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(each) for each in text.split()]


def is_running(process: int) -> bool:
    """True if a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_runs_at_once_do_not_meet(machine: Machine) -> None:
    """Each sees its own request alone."""
    sealing.require()
    wrong: list[object] = []

    def one(number: int) -> None:
        code = f"import urllib.request as u; u.urlopen('http://h{number}.example/', b'{{}}')"
        found = seal(machine, "--", sys.executable, "-c", code)
        if [each[0] for each in found.requests] != [f"h{number}.example"]:
            wrong.append(found)

    threads = [threading.Thread(target=one, args=(each,)) for each in range(RUNS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


REPLACING = """
import json, os, sys, tempfile
from pathlib import Path
from usagectl.capture.certificates import Authority
from usagectl.capture.namespace import Namespace
from usagectl.machine import environment

with tempfile.TemporaryDirectory() as name:
    folder, none = Path(name), Path(f"/var/usagectl-{os.getpid()}")
    (folder / "there").mkdir()
    (folder / "there/hidden").touch()
    replaced = {none / "deep": folder / "made", folder / "there": folder / "other"}
    lines = [f"ls -A {each}" for each in ("/var", none, none / "deep", folder / "there")]
    lines += [f"echo written > {none}/deep/file", f"echo written > {folder}/there/file"]
    lines += [f"cat {none}/deep/file", "ls -d /var/lib/dpkg/status /var/run/."]
    script = f"({'; '.join(lines)}) > {folder}/said 2>&1"
    given, before = environment.from_process(), sorted(os.listdir("/var"))
    with Namespace(
        folder, authority_pem=Authority().pem, environment=given, replaced=replaced
    ) as made:
        status = made.run(["sh", "-c", script], os.environ)
    assert sorted(os.listdir("/var")) == before, "the host has more"
    assert os.listdir(folder / "there") == ["hidden"], "the host's folder was written"
    for each in ("made", "other"):
        assert (folder / each / "file").read_text() == "written\\n", each
    there = [each for each in ("/var/lib/dpkg/status", "/var/run/.") if os.path.exists(each)]
    wanted = sorted([*before, none.name]) + ["deep", "written", *there]
    said = (folder / "said").read_text().splitlines()
    assert said == wanted, (said, wanted)
    assert status == 0 or len(there) < 2, status
print("held")
"""


def test_a_folder_is_replaced_for_the_command_alone(machine: Machine) -> None:
    """One that is there, and one that is not: the rest of its parent stays, the host's as well."""
    sealing.require()
    done = sealing.run_shell(machine, shlex.join([sys.executable, "-c", REPLACING]))
    assert done.stdout == "held\n", done.stderr


def test_a_folder_is_replaced_for_an_ordinary_user() -> None:
    """Who could not make it outside."""
    sealing.require()
    done = sealing.as_nobody([sealing.nobody(), "-c", REPLACING], TMPDIR="/tmp")  # noqa: S108
    assert done.stdout == b"held\n", done.stderr.decode()
