"""Tests of the text that sets variables, read by the programs it is written for."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.desks import POWERSHELL, read_powershell
from usagectl.errors import InvalidValueError
from usagectl.machine.shells import FORMATS, detect_shell, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SPECIAL = "'\"$`\\!#;&|~=*?[]{}()<>%^@:,+/-\t\n\r aZ0é\u2019\u2028\x85\ufeff😀"
NASTY = (
    *("", "1", "-n", "--", "-e X=1", " edges ", "it's", 'say "no"', "a''b", "''", "'", '"'),
    *("$HOME", "${HOME}", "$(id)", "`id`", "$$", "$'x'", "!!", "!x", "a\\", "\\", "\\\\", "\\'"),
    *("C:\\new", '\\"', "\\\\'x", "two\nlines", "end\n", "\n", "\r\n", "=ls", "~", "#x", "a #b"),
    *("%self", "[char]65", "' + 'x", "USAGECTL_END\nUSAGECTL_END_", "\x1b[0m", "\ufeff"),
    *("it's \\ ", "it's \\ #", "'\\x", "a\\\\b", '"x\\', "$5\n", "$5\n\\\\x", "$5\n\\", "é😀"),
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
VALUES = st.lists(st.one_of(st.text(SPECIAL, max_size=12), TEXT), min_size=1, max_size=40)
BATCH = settings(
    max_examples=10,
    # The folder is only a place for the file that the shell reads.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
EVAL = 'eval "$(cat "$1")"; exec env -0'
SHELLS = {
    "bash": ("bash", "bash", "--norc", "-c", EVAL, "bash"),
    "sh": ("bash", "sh", "-c", EVAL, "sh"),
    "zsh": ("zsh", "zsh", "-f", "-c", EVAL, "zsh"),
    "zsh-rcquotes": ("zsh", "zsh", "-f", "-o", "rc_quotes", "-c", EVAL, "zsh"),
    "fish": ("fish", "fish", "--no-config", "-c", "cat $argv[1] | source; env -0"),
}


def named(values: Sequence[str]) -> dict[str, str]:
    """Name the values V0, V1 and so on."""
    return {f"V{index}": value for index, value in enumerate(values)}


def carried(values: Sequence[str], format_name: str) -> dict[str, str]:
    """Name the values that the format takes."""
    return named([value for value in values if is_taken(value, format_name)])


def is_taken(value: str, format_name: str) -> bool:
    """True if the format takes the value."""
    with suppress(InvalidValueError):
        return bool(render({"V": value}, format_name))
    return False


def written(folder: Path, text: str) -> str:
    """Put the text, byte for byte, into a file."""
    file = folder / "text"
    file.write_bytes(text.encode())
    return str(file)


def nul_terminated(*command: str) -> list[str]:
    """Run a program that ends each of its answers with NUL."""
    output = subprocess.run(command, check=True, capture_output=True).stdout
    return output.decode(errors="surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
@BATCH
@given(values=VALUES)
def test_shell_sets_any_value(shell: str, tmp_path: Path, values: list[str]) -> None:
    """A real shell that evaluates the text exports whatever text was given."""
    format_name, *command = SHELLS[shell]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    expected = named((*NASTY, *values))
    text = written(tmp_path, render(expected, format_name))
    found = dict(entry.split("=", 1) for entry in nul_terminated(*command, text))
    assert {name: found.get(name) for name in expected} == expected


@given(values=VALUES)
def test_powershell_text_spells_any_value_in_ascii(values: list[str]) -> None:
    """The text is ASCII, one line a variable, and its expressions yield the values."""
    text = render(named(values), "powershell")
    assert (text.isascii(), text.count("\n")) == (True, len(values))
    assert re.fullmatch(rf"(?:\$Env:V\d+ = {POWERSHELL}\n)+", text)
    assert re.findall(r"^\$Env:(V\d+) = ", text, re.MULTILINE) == list(named(values))
    assert read_powershell(text) == values


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="pwsh is not installed")
def test_powershell_itself_sets_the_values(tmp_path: Path) -> None:
    """PowerShell exports each hard value unchanged; empty ones it removes before 7.5."""
    expected = named([value for value in NASTY if value])
    dump = tmp_path / "dump.py"
    dump.write_text("import json, os; print(json.dumps(dict(os.environ)))")
    script = tmp_path / "script.ps1"
    script.write_text(render(expected, "powershell") + "& $args[0] $args[1]\n")
    command = ("pwsh", "-NoProfile", "-NonInteractive", "-File", script, sys.executable, dump)
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert {name: found.get(name) for name in expected} == expected


def read_like_compose(text: str) -> dict[str, str]:
    """Read an env file by Docker Compose's rules for quotes, escapes and comments."""
    found = {}
    while text.strip():
        name, rest = text.lstrip().split("=", 1)
        if (quote := rest[0]) in "'\"":
            closing = re.compile(rf"(?<!\\){quote}").search(rest, 1)
            assert closing is not None, "unterminated"
            value, text = rest[1 : closing.start()], rest[closing.end() :]
            assert text.startswith("\n")
        else:
            value, text = rest.split("\n", 1)
            value = value.split("#")[0].strip()
        if quote == '"':
            value = re.sub(r'\\([nr"\\])', lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), value)
        if quote != "'":
            assert "$" not in value, "Compose expands it"
        found[name] = value
    return found


@BATCH
@given(values=VALUES)
def test_dotenv_readers_agree_on_any_value(tmp_path: Path, values: list[str]) -> None:
    """What the format takes, python-dotenv with interpolation and Compose read alike."""
    import dotenv

    expected = carried((*NASTY, *values), "dotenv")
    text = render(expected, "dotenv")
    assert dotenv.dotenv_values(written(tmp_path, text), interpolate=True) == expected
    assert read_like_compose(text) == expected


def test_dotenv_refuses_only_what_no_quoting_carries() -> None:
    """`${` always expands in python-dotenv; what needs single quotes may not fit in them."""
    refused = {"${HOME}", "$'x'", '"x\\', "$5\n\\\\x", "$5\n\\"}
    assert {value for value in NASTY if not is_taken(value, "dotenv")} == refused


def test_dotenv_leaves_plain_values_bare() -> None:
    """`docker run --env-file` keeps quotes as part of a value, so plain ones have none."""
    for value in ("1", "", "true", "http://localhost:4566/v1", "a@b,c=d%+"):
        assert render({"V": value}, "dotenv") == f"V={value}\n"


def docker_arguments(variables: dict[str, str]) -> list[str]:
    """List the arguments that docker has to get."""
    return [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]


@BATCH
@given(values=VALUES)
def test_docker_options_are_shell_words(tmp_path: Path, values: list[str]) -> None:
    """Typed or given to `eval`, one line of options is -e NAME=value; line ends are refused."""
    assert all(is_taken(value, "docker") is ("\n" not in value) for value in NASTY)
    variables = carried((*NASTY, *values), "docker")
    text = render(variables, "docker")
    expected = docker_arguments(variables)
    assert text.count("\n") == 1
    assert shlex.split(text) == expected
    script = 'eval "set -- $(cat "$1")"; printf "%s\\0" "$@"'
    assert nul_terminated("sh", "-c", script, "sh", written(tmp_path, text)) == expected


def test_docker_options_survive_word_splitting_when_plain(tmp_path: Path) -> None:
    """`docker run $(usagectl env docker)` gets plain values, though nothing removes quotes."""
    variables = named(["1", "", "false", "http://localhost:4566/v1", "a=b,c@d%+-"])
    file = written(tmp_path, render(variables, "docker"))
    script = 'for a in $(cat "$1"); do printf "%s\\0" "$a"; done'
    assert nul_terminated("sh", "-c", script, "sh", file) == docker_arguments(variables)


@given(values=VALUES)
def test_compose_mapping_yields_any_value(values: list[str]) -> None:
    """Each entry is a quoted string that YAML, then Compose (`$$` is `$`), reads as the value."""
    header, *entries = render(named(values), "compose")[:-1].split("\n")
    found = {}
    assert header == "environment:"
    for entry in entries:
        assert entry.isprintable()
        match = re.fullmatch(r'  (\w+): ("(?:[^"\\]|\\.)*")', entry)
        assert match is not None
        # But for this one, the escapes are JSON's too.
        code = re.sub(r"\\U([0-9a-f]{8})", lambda m: chr(int(m[1], 16)), match[2])
        string = json.loads(code, strict=False)
        assert "$" not in string.replace("$$", "")
        found[match[1]] = string.replace("$$", "$")
    assert found == named(values)


def read_github(text: str) -> Iterator[tuple[str, str]]:
    """Read an environment file by the rules GitHub documents for its runner."""
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        name, sign, rest = re.split("(=|<<)", line, maxsplit=1)
        if sign == "<<":
            rest = "\n".join(itertools.takewhile(rest.__ne__, lines))
        yield name, rest


@given(values=VALUES)
def test_github_runner_reads_any_value(values: list[str]) -> None:
    """Lines, and blocks for values of several lines, give the runner the values."""
    variables = carried((*NASTY, *values), "github")
    assert dict(read_github(render(variables, "github"))) == variables
    assert [value for value in NASTY if not is_taken(value, "github")] == []
    assert not is_taken("x\r", "github")


def test_what_cannot_be_written_is_refused() -> None:
    """No format carries NUL or a stray byte; the message names the variable alone.

    Names are not quoted, so only identifiers pass; an unknown format names the known ones.
    """
    with pytest.raises(InvalidValueError, match=", ".join(FORMATS)):
        render({}, "tcsh")
    for name in ("", "1X", "A B", "A;id", "A\n", "É"):
        with pytest.raises(InvalidValueError):
            render({name: "1"}, "bash")
    for format_name in FORMATS:
        for value in ("s3cret\0", "s3cret\udcff"):
            with pytest.raises(InvalidValueError, match="'TOKEN'") as caught:
                render({"TOKEN": value}, format_name)
            assert "s3cret" not in caught.value.message + caught.value.hint


def test_text_ends_in_a_newline() -> None:
    """Every format mentions each name once, in order, and ends in one newline."""
    for format_name in FORMATS:
        text = render({"FIRST": "1", "SECOND": "2"}, format_name)
        assert re.search(r"[^\n]\n\Z", text), format_name
        assert re.findall(r"FIRST|SECOND", text) == ["FIRST", "SECOND"]
        assert render({}, format_name).endswith("\n")


def test_shell_is_known_by_its_base_name() -> None:
    """The base name of $SHELL chooses; without one the system does; sh and others read bash."""
    shells: tuple[tuple[str | None, str, str], ...] = (
        ("/bin/bash", "Linux", "bash"),
        ("/opt/bin/zsh", "Darwin", "zsh"),
        ("-zsh", "Darwin", "zsh"),
        ("/usr/bin/fish", "Linux", "fish"),
        (r"C:\Program Files\PowerShell\7\pwsh.exe", "Windows", "powershell"),
        (r"C:\Program Files\Git\usr\bin\bash.exe", "Windows", "bash"),
        *((f"/bin/{name}", "Linux", "bash") for name in ("sh", "dash", "ksh", "nologin")),
        *((nothing, "Windows", "powershell") for nothing in ("", None)),
        *((nothing, "Linux", "bash") for nothing in ("", None)),
    )
    assert {(path, system): detect_shell(path, system) for path, system, _ in shells} == {
        (path, system): expected for path, system, expected in shells
    }
