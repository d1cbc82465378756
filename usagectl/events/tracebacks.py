"""Scrubbed tracebacks: types, functions, line numbers and the files of installed packages."""

from __future__ import annotations

import re

from usagectl.events.vocabulary import scrub

_LONGEST_READ = 256 * 1024
_MOST_FRAMES = 50
_MOST_LINES_READ = 2000
_MOST_LINES = 100
_LONGEST_WRITTEN = 16 * 1024
_HEADER = "Traceback (most recent call last):"
_BETWEEN = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_FRAME = re.compile(r'\s{1,20}File "([^"\n]{0,4096})", line ([0-9]{1,9})(?:, in ([^\n]{1,200}))?')
_FUNCTION = re.compile(
    r"(?:[A-Za-z_][A-Za-z0-9_]{0,63}|<(?:module|lambda|listcomp|dictcomp|setcomp|genexpr|locals)>)"
    r"(?:\.(?:[A-Za-z_][A-Za-z0-9_]{0,63}|<(?:lambda|locals)>)){0,5}"
)
_ERROR = re.compile(
    r"((?:[A-Za-z_][A-Za-z0-9_]{0,63}\.){0,8}[A-Za-z_][A-Za-z0-9_]{0,63})(?::(.*))?"
)
_INSTALLED = re.compile(
    r".*[\\/](?:site-packages|dist-packages|lib(?:64)?[\\/]python3\.[0-9]{1,2}"
    r"|[Pp]ython3?[0-9.]{0,5}[\\/]Lib)[\\/](.+)"
)
_MODULE_FILE = re.compile(
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}[\\/]){0,12}[A-Za-z0-9_]{1,64}\.pyx?"
)
_FROZEN = re.compile(r"<(?:frozen [A-Za-z0-9_.]{1,64}|string|stdin|unknown)>")


def scrub_trace(text: str) -> str:
    """Keep a traceback's types, functions, line numbers and the files of installed packages.

    Paths of other files and lines of source go; messages are scrubbed. Of many frames the
    last 50 stay. Never raises.
    """
    lines: list[str] = []
    is_error_next = False
    for line in text[:_LONGEST_READ].split("\n")[-_MOST_LINES_READ:]:
        frame = _FRAME.match(line)
        if frame:
            lines.append(_frame(frame))
            is_error_next = True
        elif line.startswith(_HEADER):
            lines.append(f"{_HEADER} {scrub(line[len(_HEADER) :])}".rstrip())
        elif line.rstrip() in _BETWEEN:
            lines.append(line.rstrip())
        elif not line[:1].isspace() and line:  # Else it is source, or belongs to a message.
            lines.append(_error(line) if is_error_next else scrub(line))
            is_error_next = False
    return "\n".join(_last(lines))[:_LONGEST_WRITTEN]


def _frame(frame: re.Match[str]) -> str:
    file, line, function = frame.groups()
    where = f'  File "{_file(file)}", line {line}'
    if function is None:
        return where
    return f"{where}, in {function if _FUNCTION.fullmatch(function) else '<name>'}"


def _file(path: str) -> str:
    if _FROZEN.fullmatch(path):
        return path
    installed = _INSTALLED.fullmatch(path)
    if installed and _MODULE_FILE.fullmatch(installed[1]):
        return installed[1]
    return "<path>"


def _error(line: str) -> str:
    """Scrub the message of an error's last line; the type stays."""
    found = _ERROR.fullmatch(line.rstrip())
    if found is None:
        return scrub(line)
    message = scrub(found[2] or "")
    return f"{found[1]}: {message}" if message else found[1]


def _last(lines: list[str]) -> list[str]:
    """Keep the last frames, and the lines around them."""
    frames = [index for index, line in enumerate(lines) if line.startswith("  File ")]
    gone = set(frames[:-_MOST_FRAMES])
    kept = [line for index, line in enumerate(lines) if index not in gone]
    return kept[-_MOST_LINES:]
