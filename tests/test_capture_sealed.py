"""Tests of `usagectl capture --sealed` with real programs: all is recorded, nothing leaves."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import sealing
from tests.support.clients import CLIENTS, LITERAL, ODD_PORTS
from tests.support.commands import start
from tests.support.counting import wait_until
from tests.support.sealing import seal
from tests.support.terminals import keyboard, read_until, started
from usagectl import capture
from usagectl.capture import sealed
from usagectl.capture.running import run_words
from usagectl.machine import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has namespaces")


def test_every_client_is_recorded_whole(machine: Machine) -> None:
    """Each posts by its own library, to names and literal addresses: with host, port and body.

    Where nft is, those on other ports too; without it they are seen as refused.
    """
    clients = [each for each in (*CLIENTS, *LITERAL, *ODD_PORTS) if each.is_here]
    script = " & ".join(each.line for each in clients) + " & wait"
    found = seal(machine, "--reveal", "--", "sh", "-c", script)
    came = {body: (host, port) for host, port, _, _, body in found.requests}
    refused = {(host, port) for host, port, detail in found.observed("connection")}
    recorded = [each for each in clients if sealing.has_redirect() or each not in ODD_PORTS]
    assert {each.name: came.get(each.body) for each in recorded} == {
        each.name: each.place for each in recorded
    }, found.outcome.stderr
    assert {each.place for each in clients} <= refused | set(came.values())


def test_silence_is_proven_by_nothing_at_all(machine: Machine) -> None:
    """`--expect silence` holds for a command that does nothing, and fails for one look-up."""
    assert seal(machine, "--expect", "silence", "--", "true").outcome.status == 0
    look_up = "import socket; socket.getaddrinfo('a.example', 80)"
    found = seal(machine, "--expect", "silence", "--", sys.executable, "-c", look_up)
    assert found.outcome.status == 1
    assert ("a.example", 0, "A") in found.observed("look-up")
    assert "[unexpected-events]" in found.outcome.stderr


def test_a_proxy_of_the_users_hides_nothing(machine: Machine) -> None:
    """One on this machine is not there for CMD, which would otherwise reach no host at all."""
    names = ("HTTP_PROXY", "all_proxy", "NPM_CONFIG_PROXY")
    machine.variables = dict.fromkeys(names, "http://127.0.0.1:9")
    show = f"import os, urllib.request as u; print([*map(os.environ.get, {names})])\n"
    send = "u.urlopen('http://behind.example/x', b'{}')"
    found = seal(machine, "--", sys.executable, "-c", show + send)
    assert found.outcome.stdout == "[None, None, None]\n"
    assert [host for host, *_ in found.requests] == ["behind.example"]


def test_telemetry_that_is_led_to_this_machine_hides_nowhere(machine: Machine) -> None:
    """A relay on this machine is not there for CMD; what another machine takes is asked for it."""
    machine.variables = {
        "DVC_ANALYTICS_ENDPOINT": "http://localhost:9/relay",
        "ANALYTICS_API": "https://relay.example/v1",
        "MY_SERVER": "http://127.0.0.1:9",
    }
    show = f"import os; print([*map(os.environ.get, {tuple(machine.variables)})])"
    found = seal(machine, "--", sys.executable, "-c", show)
    assert found.outcome.stdout == f"{[None, *[*machine.variables.values()][1:]]}\n"


ODD = {
    "daemon": (
        "import os, time, urllib.request as u\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "time.sleep(1)\n"
        "u.urlopen('http://daemon.example/x', b'{}')\n"
    ),
    "udp": (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.sendto(b'metric:1|c', ('192.0.2.7', 8125))\n"
    ),
    "distrust": (
        "import ssl, urllib.request as u\n"
        "c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.load_default_certs = None\n"
        "try: u.urlopen('https://pinned.example/x', b'{}', context=c)\n"
        "except OSError: pass\n"
    ),
    "silent": "import socket; socket.create_connection(('mute.example', 80)).close()\n",
    "nonsense": (
        "import socket; s = socket.create_connection(('raw.example', 80)); s.send(b'\\0\\1\\2')\n"
    ),
    "lookup": "import socket; socket.getaddrinfo('asked.example', 443)\n",
}


def test_odd_ways_to_send_are_seen(machine: Machine) -> None:
    """A daemon is waited for; UDP, a refused certificate, no HTTP and a mere look-up are seen."""
    script = machine.cwd / "odd.py"
    script.write_text(
        "import os, sys\n"
        + "".join(f"if not os.fork():\n exec({code!r}); os._exit(0)\n" for code in ODD.values())
        + "for _ in range(len(sys.argv)): pass\n"
        "while True:\n"
        " try: os.wait()\n"
        " except ChildProcessError: break\n"
    )
    found = seal(machine, "--", sys.executable, str(script))
    seen = {kind: found.observed(kind) for kind in ("look-up", "connection", "datagram")}
    hosts = {host for host, *_ in found.requests}
    assert "daemon.example" in hosts, found.outcome.stderr
    assert [(host, port) for host, port, _ in seen["datagram"]] == [("192.0.2.7", 8125)]
    assert ("pinned.example", 443) in {each[:2] for each in found.observed("tls-refused")}
    assert {("mute.example", 80, "silent"), ("raw.example", 80, "unknown")} <= {*seen["connection"]}
    assert "asked.example" in {host for host, *_ in seen["look-up"]}
    assert "pinned.example" in found.outcome.stderr


def test_what_a_command_says_to_itself_is_no_traffic(tmp_path: Path) -> None:
    """Its own loopback is left out of all that it tried to send; requests and look-ups are not."""
    sealing.require()
    code = (
        "import socket, urllib.request\n"
        "socket.socket().connect_ex(('127.0.0.1', 9))\n"
        "urllib.request.urlopen('http://a.example/x')\n"
    )
    given = environment.from_process()
    words = [sys.executable, "-c", code]
    with sealed.opened(given, capture.Options()) as opened:
        run_words(opened.namespace, words, {}, cwd=tmp_path, seconds=20)
        opened.finish()
        captured, observed = opened.traffic
        assert any(each.observation.is_own for each in opened.file.sums.observed)
    assert [(each.host, each.path) for each in captured] == [("a.example", "/x")]
    assert {each.observation.host for each in observed} == {"a.example"}
    assert "look-up a.example A" in [each.observation.text for each in observed]


def test_what_is_left_is_ended_with_the_run(machine: Machine) -> None:
    """At the end of the grace time nothing of the command runs, and the answer says so."""
    found = seal(machine, "--grace", "0", "--", "sh", "-c", "sleep 301.5 >/dev/null 2>&1 &")
    assert (found.outcome.status, running("sleep 301.5")) == (0, [])
    assert "ended" in found.outcome.stderr


def running(text: str) -> list[int]:
    """List the processes whose command line holds a text."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # It has ended.
            if text.encode() in each.read_bytes().replace(b"\0", b" "):
                found.append(int(each.parent.name))
    return found


def test_statuses_and_signals_are_the_commands(machine: Machine) -> None:
    """Its status is ours; one that cannot be run is a shell's; SIGTERM reaches it."""
    wrong = []
    for words, status in (
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -KILL $$"), 137),
        (("no-such-program",), 127),
    ):
        found = seal(machine, "--", *words)
        if found.outcome.status != status:
            wrong.append((words, found.outcome))
    assert wrong == []
    machine.install_program("waits", "#!/bin/sh\ntrap 'exit 9' TERM\necho ready\nsleep 60 & wait\n")
    process = start(machine, "capture", "--sealed", "--grace", "0", "--", "waits")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 9


def test_nothing_stays_of_a_killed_run(machine: Machine) -> None:
    """After SIGKILL, of its whole process group too, no process, mount or file is left.

    With its last process the kernel takes a namespace away.
    """
    sealing.require()
    before = Path("/proc/self/mountinfo").read_text()
    mark = f"sleep 60.{os.getpid()}"
    machine.install_program("waits", f"#!/bin/sh\necho ready\nexec {mark}\n")
    process = start(machine, "capture", "--sealed", "--", "waits", start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert wait_until(lambda: running(mark))  # The shell becomes it after its line.
    assert (inside := members_of(mark))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert wait_until(lambda: not list((machine.folder / "tmp").iterdir()))
    assert wait_until(lambda: not inside & members())
    assert (running(mark), Path("/proc/self/mountinfo").read_text()) == ([], before)


def members_of(text: str) -> set[tuple[str, Path]]:
    """List who is in the network of a sealed command, whose line holds a text: each with it.

    The number of a network alone would not do: the kernel gives it to the next one at once.
    """
    own, found = Path("/proc/self/ns/net").readlink(), running(text)
    networks = {network for number, network in members() if int(number) in found}
    return {each for each in members() if each[1] in networks - {own}}


def members() -> set[tuple[str, Path]]:
    """List the processes of this machine, each with its network."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/ns/net"):
        with suppress(OSError):
            found.add((each.parts[2], each.readlink()))
    return found


SHELL = """
set -m; trap : INT
"$@"; status=$?
while [ $status -gt 128 ] && jobs %% >/dev/null 2>&1 && [ -n "$(jobs -s)" ]; do
    echo "[stopped $status]"; fg >/dev/null; status=$?
done
echo "[ended $status]"
"""
"""A shell of a terminal: what Ctrl-Z stops goes on at once in the foreground."""


@contextmanager
def typing(machine: Machine, *words: str) -> Iterator[int]:
    """Run a sealed capture in a shell on a terminal, whose command has the machine's folder.

    Give the end of keyboard and screen once the command has said that it is ready. At the end
    no process, mount, network or folder is left.
    """
    sealing.require()
    mark, mounts = str(machine.folder), Path("/proc/self/mountinfo").read_text()
    given = machine.process_variables() | dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "")
    variables = [f"{name}={value}" for name, value in given.items()]
    command = (sys.executable, "-m", "usagectl", "capture", "--sealed", *words)
    shell = ("env", "-i", *variables, "bash", "-c", SHELL, "bash", *command)
    with keyboard() as (ours, theirs), started("exec", *shell, terminal=theirs) as driver:
        read_until(ours, "[ready]")
        assert (inside := members_of(mark))
        yield ours
        assert driver.wait(20) == 0
    assert wait_until(lambda: not inside & members())
    assert list((machine.folder / "tmp").iterdir()) == []
    assert (running(mark), Path("/proc/self/mountinfo").read_text()) == ([], mounts)


@pytest.mark.parametrize(("trap", "status"), [("", 130), ("trap 'exit 9' INT;", 9)])
def test_ctrl_c_ends_the_command_by_its_own_rules(machine: Machine, trap: str, status: int) -> None:
    """The status is that of the signal, or what the command makes of it; the answer follows."""
    script = f"{trap} echo [ready]; while :; do sleep 0.05; done"
    with typing(machine, "--", "sh", "-c", script, str(machine.folder)) as ours:
        os.write(ours, b"\x03")
        assert "sent nothing" in read_until(ours, f"[ended {status}]")


def test_ctrl_c_ends_the_wait_for_what_is_left(machine: Machine) -> None:
    """What a command left in the background, where no key reaches it, is ended with the run."""
    left = f"sh -c 'while :; do sleep 0.05; done' {machine.folder} &"
    with typing(machine, "--grace", "600", "--", "sh", "-c", f"{left} echo [ready]") as ours:
        shown = ""
        while "[ended 130]" not in shown:  # The first may come while the command still ends.
            assert shown.count("^") < 9
            shown += f"^{pressed(ours, 3)}"
    assert "had to be ended" in shown


def pressed(terminal: int, seconds: float) -> str:
    """Press Ctrl-C, and return what is shown up to the end of the run, or for some time."""
    time.sleep(0.2)
    os.write(terminal, b"\x03")
    shown = b""
    while b"[ended" not in shown and select.select([terminal], [], [], seconds)[0]:
        shown += os.read(terminal, 1)
    return shown.decode() + read_until(terminal, "]") * (b"[ended" in shown)


def test_ctrl_z_stops_the_command_and_fg_goes_on(machine: Machine) -> None:
    """Both stand still, and then the command reads what is typed and ends with its own status."""
    script = 'echo [ready]; read -r line; echo "[read $line]"; exit 4'
    with typing(machine, "--", "sh", "-c", script, str(machine.folder)) as ours:
        os.write(ours, b"\x1a")
        read_until(ours, f"[stopped {128 + signal.SIGTSTP}]")
        os.write(ours, b"typed\n")
        assert "[read typed]" in read_until(ours, "[ended 4]")


def test_nothing_reaches_the_host(machine: Machine) -> None:
    """A listener on the host sees nothing, whichever way the command tries to reach it."""
    with socket.create_server(("0.0.0.0", 0)) as host, socket.socket(socket.AF_UNIX) as hidden:  # noqa: S104
        port = host.getsockname()[1]
        path = str(machine.folder / "tmp" / "daemon.sock")
        hidden.bind(path)
        hidden.listen()
        code = f"""
import socket, sys
for family, address in (
    (socket.AF_INET, ("127.0.0.1", {port})),
    (socket.AF_INET, ("{own_address()}", {port})),
    (socket.AF_UNIX, {path!r}),
):
    try:
        with socket.socket(family) as made:
            made.settimeout(5)
            made.connect(address)
            made.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    except OSError as error:
        print(address, error)
"""
        found = seal(machine, "--", sys.executable, "-c", code)
        for each in (host, hidden):
            each.settimeout(0.1)
            with pytest.raises(TimeoutError):
                each.accept()
    assert "daemon.sock" in found.outcome.stdout


CHATTY = """
import socket, urllib.request
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.51.100.7", 5353))
for url in ("http://192.0.2.9:8080/v1", "https://t.example/v1"):
    try:
        urllib.request.urlopen(url, b"{}", timeout=3).read()
    except OSError:
        pass
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="root makes a network")
def test_no_interface_of_the_host_counts_a_packet(machine: Machine) -> None:
    """In a network that nobody else uses, a sealed run leaves every counter as it was.

    The same command without a seal moves them.
    """
    sealing.require()
    (machine.folder / "chatty.py").write_text(CHATTY)
    command = f"{sys.executable} {machine.folder / 'chatty.py'}"
    counters = "echo; tail -n +3 /proc/self/net/dev"
    script = f"""set -e
ip link set lo up
ip link add d0 type veth peer name d1
for each in d0 d1; do ip link set $each addrgenmode none up; done
ip address add 203.0.113.1/24 dev d0
ip route add default via 203.0.113.254
ip neighbour add 203.0.113.254 lladdr 02:00:00:00:00:01 dev d0
{counters}
{sys.executable} -m usagectl capture --sealed --summary sum.json -- {command} 1>&2
{counters}
timeout 3 {command} || true
{counters}
"""
    found = sealing.run_shell(machine, script, "unshare", "--net")
    before, sealed_, plain = (each.strip() for each in found.stdout.strip().split("\n\n"))
    assert "d0:" in before
    assert sealed_ == before, found.stderr
    assert plain != before
    summary = json.loads((machine.cwd / "sum.json").read_text())["data"]
    assert {each["host"] for each in summary["hosts"]} == {
        *("198.51.100.7", "192.0.2.9", "t.example"),
    }


def own_address() -> str:
    """Return an address of this machine that is not loopback, as far as there is one."""
    lines = Path("/proc/net/fib_trie").read_text().splitlines()
    local = [above.split()[-1] for above, line in pairwise(lines) if "/32 host LOCAL" in line]
    return next((each for each in local if not each.startswith("127.")), "192.0.2.1")


def test_more_connections_than_descriptors_are_recorded(machine: Machine) -> None:
    """A low limit of ours loses no request; the command keeps its limit."""
    sealing.require()
    code = (
        "import resource, socket\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))\n"
        "made = [socket.create_connection(('many.example', 80)) for _ in range(500)]\n"
        "for each in made: each.sendall(b'POST / HTTP/1.1\\r\\nContent-Length: 2\\r\\n"
        "Host: many.example\\r\\n\\r\\n{}')\n"
        "print(sum(each.recv(12) == b'HTTP/1.1 200' for each in made))\n"
    )
    (machine.cwd / "many.py").write_text(code)
    words = f"{sys.executable} -m usagectl capture --sealed -- {sys.executable} many.py"
    done = sealing.run_shell(machine, f"ulimit -Sn 256; exec {words}")
    assert done.stdout.split() == ["256", "500"], done.stderr
    assert "500 requests to many.example" in done.stderr
