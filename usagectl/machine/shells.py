"""Environment variables as text for shells and files: bash, zsh, fish, dotenv and others.

Each format is one function in one table. The text sets exactly the given values,
whatever characters they hold; a value that a format cannot carry is refused, never
changed. No message holds a value: it may be a token (design, rule 3).
"""

from __future__ import annotations

import re
import shlex
from functools import partial
from typing import TYPE_CHECKING

from usagectl.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Narrower than what shlex calls safe: zsh expands `export A==ls`.
_PLAIN = re.compile(r"[A-Za-z0-9_./,:+-]+")
# A lone surrogate stands for a byte that is not UTF-8: no text can carry it.
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def render(variables: Mapping[str, str], format_name: str) -> str:
    """Write text that sets the variables, in the order given, and ends in a newline.

    Raises:
        InvalidValueError: the format is unknown, a name is not made of ASCII
            letters, digits and `_`, or the format cannot carry a value.
    """
    write = _WRITERS.get(format_name)
    if write is None:
        raise _invalid(format_name, "format", f"use one of {', '.join(FORMATS)}")
    for name, value in variables.items():
        if not _NAME.fullmatch(name):
            wanted = "use ASCII letters, digits and `_`, and no digit first"
            raise _invalid(name, "variable name", wanted)
        if _NOT_TEXT.search(value):
            raise _invalid(name, "variable for text", "its value holds NUL or invalid Unicode")
    return write(variables) + "\n"


def detect_shell(shell_path: str | None, system: str) -> str:
    """Choose the format that a user's shell reads.

    `shell_path` is the value of `$SHELL`, `system` that of `platform.system()`.
    Without a shell, Windows means powershell. Every other shell (sh, dash, ksh)
    gets the text for bash, which they read.
    """
    if not shell_path:
        return "powershell" if system.casefold() == "windows" else "bash"
    base = re.split(r"[/\\]", shell_path)[-1].casefold()
    name = base.removeprefix("-").removesuffix(".exe")
    if name in {"pwsh", "powershell"}:
        return "powershell"
    return name if name in {"zsh", "fish"} else "bash"


def _invalid(given: str, what: str, because: str) -> InvalidValueError:
    """Build the error; `given` is a variable's name, never its value."""
    return InvalidValueError(what, given, wanted=because, hint="usagectl env --help")


def _lines(template: str, quote: Callable[[str], str], variables: Mapping[str, str]) -> str:
    return "\n".join(template.format(name, quote(value)) for name, value in variables.items())


def quote_posix(text: str) -> str:
    """Quote a word for bash, zsh and every POSIX shell, if it has to be."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def quote_fish(text: str) -> str:
    """Quote a word for fish, if it has to be; its single quotes keep a tab as it is."""
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_powershell(value: str) -> str:
    """Write any text as a PowerShell expression in ASCII.

    A Windows console decodes output with another code page than Python writes, PowerShell
    treats typographic quotes as quotes, and the pipe rewrites line ends.
    """
    return "'" + re.sub(r"[^ -~]+", _char_codes, value.replace("'", "''")) + "'"


def _char_codes(run: re.Match[str]) -> str:
    units = run[0].encode("utf-16-be").hex(" ", 2).split()
    return "".join(["' + ", *(f"[char]0x{unit} + " for unit in units), "'"])


def _entries(entry: Callable[[str, str], str], variables: Mapping[str, str]) -> str:
    return "\n".join(entry(name, value) for name, value in variables.items())


def _dotenv(name: str, value: str) -> str:
    """Write a line that python-dotenv and Compose's `env_file` read alike, in the first form.

    Plain values have no quotes: for `docker run --env-file` they would be part of the value.
    python-dotenv expands `${NAME}` in every form, and no form escapes it. Compose
    expands `$` outside single quotes, and any backslash before a quote escapes it.
    """
    if "${" in value:
        because = "its value holds ${, which python-dotenv always expands"
        raise _invalid(name, "variable for dotenv", because)
    for fits, write in _DOTENV_FORMS:
        if fits.fullmatch(value):
            return f"{name}={write(value)}"
    because = "no form of quoting is read alike by all readers"
    raise _invalid(name, "variable for dotenv", because)


def _single(value: str) -> str:
    return f"'{value}'"


def _double(value: str) -> str:
    return '"' + re.sub(r'[\\"\n\r]', lambda match: _DOTENV_ESCAPES[match[0]], value) + '"'


_DOTENV_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
_DOTENV_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"[A-Za-z0-9_./:@%+,=-]*"), str),
    # Quoted, without escapes: a reader that has none (Node's) agrees as well.
    (re.compile(r"(?!.*\\\\)[^'\n\r]*(?<!\\)"), _single),
    (re.compile(r'[^"\\$]*'), _double),
    (re.compile(r"(?![\s'\"`])[^#$\n\r]*(?<!\s)"), str),
    # Both readers know these; other readers may not.
    (re.compile(r"[^$]*(?<!\\)"), _double),
    (re.compile(r"(?s)(?!.*\\\\)[^'\r]*(?<!\\)"), _single),
)


def _docker(variables: Mapping[str, str]) -> str:
    """Write options for `docker run`, on one line.

    Plain values carry no quotes, so that `docker run $(usagectl env docker) image`
    works: a shell splits that text but removes no quotes from it. Other values
    are quoted for a line that is typed or given to `eval`. fish splits at line
    ends only: there, `(usagectl env docker | string split ' ')`.
    """
    for name, value in variables.items():
        if "\n" in value:
            because = "its value holds a line end, and the options are one line"
            raise _invalid(name, "variable for docker", because)
    return " ".join(f"-e {shlex.quote(f'{name}={value}')}" for name, value in variables.items())


def _compose(variables: Mapping[str, str]) -> str:
    """Write the `environment:` mapping of a service in a Compose file."""
    if not variables:
        return "environment: {}"
    return "environment:\n" + _lines("  {}: {}", _yaml_string, variables)


def _yaml_string(value: str) -> str:
    """Quote for YAML, then for Compose, which expands `$` in the value."""
    body = "".join(_yaml_character(character) for character in value.replace("$", "$$"))
    return f'"{body}"'


def _yaml_character(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    # JSON's pair of surrogates is not YAML.
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the end of the BMP


def _github(name: str, value: str) -> str:
    """Write for `>> "$GITHUB_ENV"`, several lines in GitHub's delimiter form."""
    if value.endswith("\r"):
        because = "its value ends in CR, which a Windows runner drops"
        raise _invalid(name, "variable for github", because)
    if "\n" not in value:
        return f"{name}={value}"
    delimiter = "USAGECTL_END"
    while delimiter in value:
        delimiter += "_"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}"


_WRITERS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "bash": partial(_lines, "export {}={}", quote_posix),  # eval "$(usagectl env)"
    "zsh": partial(_lines, "export {}={}", quote_posix),
    "fish": partial(_lines, "set -gx {} {}", quote_fish),  # usagectl env fish | source
    # usagectl env powershell | Out-String | Invoke-Expression; before 7.5 an empty value
    # removes the variable.
    "powershell": partial(_lines, "$Env:{} = {}", quote_powershell),
    "dotenv": partial(_entries, _dotenv),
    "docker": _docker,
    "compose": _compose,
    "github": partial(_entries, _github),
}

FORMATS: tuple[str, ...] = tuple(_WRITERS)
