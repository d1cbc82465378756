"""Tests of running a child in our place, with real programs, signals and terminals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.terminals import DRIVE, environment, keyboard, read_until, started
from usagectl.machine.processes import CommandNotExecutableError, CommandNotFoundError, run_child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and terminals are POSIX")

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH")
# Says which signals come, and ends at the end of its input.
LISTENER = """
import os, signal, sys
def say(text):
    os.write(1, f"[{text}]\\n".encode())
for name in sys.argv[1:]:
    signal.signal(signal.Signals[name], lambda number, _: say(signal.Signals(number).name))
say("ready")
while line := os.read(0, 100):
    say("read " + line.decode().strip().upper())
os._exit(7)
"""
LISTEN = (sys.executable, "-c", LISTENER, *SIGNALS)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Open a terminal that does not echo: the ends of keyboard and screen, and of the program."""
    with keyboard() as ends:
        yield ends


def test_exit_status_is_the_childs() -> None:
    """The child's exit status comes back; a child killed by signal N gives 128 + N."""
    for status in (0, 3, 255):
        assert run_child(["sh", "-c", f"exit {status}"], os.environ) == status
    for number in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
        assert run_child(["sh", "-c", f"kill -{number} $$"], os.environ) == 128 + number
    # Started with SIGCHLD ignored, where the system drops statuses, 3 is not taken for 0.
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert run_child(["sh", "-c", "exit 3"], os.environ) == 3
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_environment_is_exactly_the_given_one(capfd: pytest.CaptureFixture[str]) -> None:
    """The child has the variables given to it and no other."""
    given = {"PATH": os.environ["PATH"], "TWO": "two\nlines", "EMPTY": "", "É": "ß"}
    run_child(["env", "-0"], given)
    entries = capfd.readouterr().out.split("\0")[:-1]
    assert dict(entry.split("=", 1) for entry in entries) == given


def test_program_is_looked_up_on_the_given_path(tmp_path: Path) -> None:
    """The PATH of the given environment decides which program runs, not our own."""
    program = tmp_path / "usagectl-test-program"
    program.write_text("#!/bin/sh\nexit 5\n")
    program.chmod(0o755)
    assert run_child([program.name], {"PATH": str(tmp_path)}) == 5
    with pytest.raises(CommandNotFoundError):
        run_child([program.name], os.environ)
    (tmp_path / "folder").mkdir()
    for missing in ("folder", "sh"):
        with pytest.raises(CommandNotFoundError):
            run_child([missing], {"PATH": str(tmp_path)})


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    """A command that is not found has status 127; one that is there and does not start, 126.

    Its arguments, maybe secret, are not shown.
    """
    for word in ("no-such-program", "./no/such/program", ""):
        with pytest.raises(CommandNotFoundError) as missing:
            run_child([word, "--token=s3cret"], os.environ)
        assert missing.value.exit_status == 127
        assert repr(word) in missing.value.message
        assert "s3cret" not in missing.value.message + missing.value.hint
    contents: dict[str, tuple[str | None, int, str]] = {
        "no-permission": ("#!/bin/sh\n", 0o644, "Permission denied"),
        "no-interpreter": ("#!/no/such/interpreter\n", 0o755, "its interpreter is missing"),
        "no-format": ("no program at all\n", 0o755, "Exec format error"),
        "folder": (None, 0o755, "Permission denied"),
    }
    for name, (content, mode, reason) in contents.items():
        program = tmp_path / name
        program.mkdir() if content is None else program.write_text(content)
        program.chmod(mode)
        with pytest.raises(CommandNotExecutableError) as caught:
            run_child([str(program), "--token=s3cret"], os.environ)
        assert caught.value.exit_status == 126
        assert caught.value.message.endswith(f" cannot be executed: {reason}.")
        assert "s3cret" not in caught.value.message + caught.value.hint


def test_streams_pass_untouched() -> None:
    """Standard input reaches the child; its outputs come back byte for byte, nothing added."""
    sent = bytes(range(256)) * 300
    command = [*DRIVE, "sh", "-c", "cat; echo done >&2"]
    driver = subprocess.run(
        command, check=False, input=sent, capture_output=True, env=environment()
    )
    assert (driver.stdout, driver.stderr, driver.returncode) == (sent, b"done\n", 0)


def test_open_descriptors_reach_the_child(capfd: pytest.CaptureFixture[str]) -> None:
    """A descriptor handed to us, as a shell's `<(…)` does, is open in the child."""
    reading, writing = os.pipe()
    os.write(writing, b"handed down")
    os.close(writing)
    os.set_inheritable(reading, True)  # noqa: FBT003 - takes no keyword
    run_child([sys.executable, "-c", f"import os; print(os.read({reading}, 99))"], os.environ)
    os.close(reading)
    assert capfd.readouterr().out == "b'handed down'\n"


def test_handlers_are_put_back() -> None:
    """Afterwards, and after a failure to start, every signal has the handler it had."""
    before = {number: signal.getsignal(number) for number in signal.Signals}
    run_child(["true"], os.environ)
    with pytest.raises(CommandNotFoundError):
        run_child(["no-such-program"], os.environ)
    assert {number: signal.getsignal(number) for number in signal.Signals} == before


def test_ignored_signal_stays_ignored_in_the_child(capfd: pytest.CaptureFixture[str]) -> None:
    """What `nohup` ignores the child ignores too; what is handled here has its default there."""
    script = (
        "import json, signal;"
        "print(json.dumps([signal.getsignal(s).name for s in (signal.SIGHUP, signal.SIGTERM)]))"
    )
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run_child([sys.executable, "-c", script], os.environ)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert json.loads(capfd.readouterr().out) == ["SIG_IGN", "SIG_DFL"]


def test_signals_sent_to_us_reach_the_child_once() -> None:
    """Without a terminal each signal sent to us alone goes on to the child, and we stay."""
    with started(*LISTEN) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        assert read_until(driver.stdout.fileno(), "[ready]\n") == "[ready]\n"
        for name in SIGNALS:
            driver.send_signal(signal.Signals[name])
            assert read_until(driver.stdout.fileno(), "\n") == f"[{name}]\n"
        driver.stdin.close()
        assert driver.stdout.read() == b""
        assert driver.wait() == 7


@pytest.mark.parametrize(("key", "name"), [(b"\x03", "SIGINT"), (b"\x1c", "SIGQUIT")])
def test_key_reaches_the_child_once(terminal: tuple[int, int], key: bytes, name: str) -> None:
    r"""Ctrl-C and Ctrl-\ go to the whole group, so we do not send them again."""
    ours, theirs = terminal
    with started(*LISTEN, terminal=theirs) as driver:
        read_until(ours, "[ready]")
        # The driver wakes when the child is done with the key: two signals cannot melt into one.
        driver.send_signal(signal.SIGSTOP)
        os.waitpid(driver.pid, os.WUNTRACED)
        os.write(ours, key)
        heard = read_until(ours, f"[{name}]")
        driver.send_signal(signal.SIGCONT)
        # It takes signals in order: had it sent the first on, that would come before this.
        driver.send_signal(signal.SIGUSR1)
        heard += read_until(ours, "[SIGUSR1]")
        os.write(ours, b"\x04")
        assert driver.wait() == 7
    assert heard.count(name) == 1


def test_interrupt_in_the_background_of_a_terminal_is_sent_on(terminal: tuple[int, int]) -> None:
    """Where another group has the terminal's keys, SIGINT comes from elsewhere and goes on."""
    ours, theirs = terminal
    shell = 'set -m; "$@" & read -r line; kill -INT $!; wait $!; echo "[ended $?]"'
    child = (
        "import os, signal; signal.alarm(60); signal.signal(signal.SIGINT, lambda *_: os._exit(9));"
        "os.write(1, b'[ready]'); signal.pause()"
    )
    command = (*DRIVE, sys.executable, "-c", child)
    with started("exec", "bash", "-c", shell, "bash", *command, terminal=theirs):
        read_until(ours, "[ready]")
        os.write(ours, b"now\n")
        read_until(ours, "[ended 9]")


def test_job_control_stops_and_resumes_both(terminal: tuple[int, int]) -> None:
    """Ctrl-Z stops us and the child; the shell's `fg` goes on with both."""
    ours, theirs = terminal
    script = 'set -m; "$@"; echo "[stopped $?]"; fg; echo "[ended $?]"'
    command = ("exec", "bash", "-c", script, "bash", *DRIVE, *LISTEN)
    with started(*command, terminal=theirs) as shell:
        read_until(ours, "[ready]")
        os.write(ours, b"\x1a")
        read_until(ours, f"[stopped {128 + signal.SIGTSTP}]")
        os.write(ours, b"typed\n")
        read_until(ours, "[read TYPED]")
        os.write(ours, b"\x04")
        read_until(ours, "[ended 7]")
        assert shell.wait() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="what we were started with cannot be read")
def test_a_child_gets_no_variable_that_python_adds() -> None:
    """In the C locale Python sets LC_CTYPE for itself; one that was given is handed on."""
    given = {"PYTHONPATH": environment()["PYTHONPATH"], "PATH": os.defpath}
    shown = [
        subprocess.run(
            [*DRIVE, "/usr/bin/env"], env=variables, capture_output=True, check=True
        ).stdout
        for variables in (given, given | {"LC_CTYPE": "C.UTF-8"})
    ]
    assert [b"LC_CTYPE" in each for each in shown] == [False, True]
