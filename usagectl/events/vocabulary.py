"""Scrubbing of free text and tracebacks: known words stay, all else becomes its kind.

The vocabulary is `data/words.txt`. "Role deploy not found" comes out as "Role <name> not found",
wherever the name stands. What may be made of the vocabulary's own words goes too: a text in
quotes, what follows `password:` or `name=`, folders with spaces, and more than two numbers.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from usagectl.events.text_rules import DUMMY_ACCOUNT, words_of
from usagectl.homes import find_homes
from usagectl.sensitive import looks_like_secret, names_secret, replace_spans

PLACEHOLDERS = ("path", "arn", "account", "email", "ip", "token", "name", "url", "host", "number")
"""The kinds of what is gone; `<name>` is anything that is of no other kind."""

_LONGEST_READ = 4096
_LONGEST_WRITTEN = 512
_MOST_PASSES = 8
_MOST_MARKS = 3

# While a text is scrubbed, one private character stands for each placeholder.
_SIGNS = {kind: chr(0xE000 + place) for place, kind in enumerate(PLACEHOLDERS)}
_WRITTEN = str.maketrans({sign: f"<{kind}>" for kind, sign in _SIGNS.items()})
_NAME, _PATH, _NUMBER = _SIGNS["name"], _SIGNS["path"], "<number>"
_SIGN = f"[{''.join(_SIGNS.values())}]"

# Typographic quotes become backticks, so that they do not end a text in plain ones.
_ALIKE = str.maketrans(
    {
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u300c\u300d", "`"),
        **dict.fromkeys("\u2018\u2019\u201a\u02bc", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        "\u2026": "...",
    }
)
_ESCAPED = r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})"
# An apostrophe within a word opens only if no ending follows, as in `table'orders'`. A quote
# that never closes lasts to the end of the text.
_QUOTED = (
    r"(?P<mark>\\{0,3}(?:[\"`]|(?<![A-Za-z0-9])'(?=\S)"
    r"|(?<=[A-Za-z0-9])'(?=[A-Za-z0-9])(?!(?i:s|t|re|ve|ll|d|m)(?![A-Za-z0-9]))))"
    r"(?P<content>.*?)(?:(?<!\\)(?P=mark)(?:(?<!')|(?![A-Za-z0-9]))|$)"
)
_ANGLED = r"</?([A-Za-z][^<>]*)>"
_SPACED_PATH = (
    r"(?<![A-Za-z0-9/\\.~:])(?:[~.]{0,2}|[A-Za-z][A-Za-z0-9+.-]{0,20}:)[/\\]\S*+"
    r"(?:(?: [A-Z][\w.-]*){1,3}[/\\]\S*+)+"
)
_IPV6 = (
    r"(?<![A-Za-z0-9])(?=[0-9A-Fa-f.]{0,15}(?::[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:|::))"
    r"(?=[:.]{0,9}[0-9A-Fa-f])(?:[0-9A-Fa-f]{0,4}:){2,8}[0-9A-Fa-f.]{0,15}(?<!\.)(?![A-Za-z0-9])"
)
# A code says what went wrong, as in `ExpiredToken: The provided token has expired`.
_ASSIGNED = r"(?<![\w.-])([\w.-]{1,60} )?(?!(?:[A-Z][a-z]+){2,8}: )([\w.-]{1,60})\s?[:=]\s*"
_CLAUSE_END = r"[.,;)!?\]}][.,;:)!?\]}]{0,7}(?=\s|$)|$"

_BEFORE, _AFTER = "([{<", ".,;:!?)]}>'"
_PIECES = r"[()\[\]{},;!?<>=:]+|[^()\[\]{},;!?<>=:]+"
_PUNCTUATION = frozenset("-.%*+|&'")
_SMALL = r"[0-9]{1,4}(?:\.[0-9]{1,2})?"
_MANY_SMALL = rf"(?<![\w.-]){_SMALL}(?:[-.,:()+& ]+{_SMALL}){{2,}}(?![\w-])"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?"
_KINDS = tuple(
    (kind, re.compile(pattern).fullmatch)
    for kind, pattern in (
        ("arn", r"(?i:arn:[^ ]*)"),
        ("url", r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^ ]*|(?i:mailto|data|urn):[^ ]+|www\.[^ ]+"),
        ("email", r"[^@ ]{1,64}@[^@ ]{1,255}"),
        ("ip", r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?(?:/[0-9]{1,3})?"),
        ("path", r"[~.]{0,2}[/\\][^ ]*|[A-Za-z]:[/\\][^ ]*|~[A-Za-z0-9_.-]*|[^ ]*[/\\][^ ]*"),
        ("account", r"[0-9]{12}"),
        ("number", r"[+-]?[0-9][0-9.,:TZ/-]*"),
        ("host", rf"(?:{_LABEL}\.){{1,10}}[A-Za-z][A-Za-z0-9-]{{0,62}}\.?(?::[0-9]{{1,5}})?"),
        ("host", rf"{_LABEL}:[0-9]{{2,5}}"),
    )
)

_LONGEST_TRACE = 256 * 1024
_MOST_FRAMES = 50
_MOST_LINES_READ = 2000
_MOST_LINES = 100
_LONGEST_TRACE_WRITTEN = 16 * 1024
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


def scrub(text: str) -> str:
    """Replace everything but words of the vocabulary by its kind.

    Never raises. Takes time in proportion to the text, of which 4 KiB are read and at most
    512 characters come out. What was scrubbed comes out again as it is.
    """
    known = text[:_LONGEST_READ]
    for _ in range(_MOST_PASSES):
        found = _pass(known)
        if found == known:
            return found
        known = found
    return "<name>"


def is_word(piece: str) -> bool:
    """True if a piece is of the vocabulary, as it stands or with a capital or in capitals."""
    words = _words()
    if piece in words:
        return True
    if not (piece[1:].islower() or piece.isupper() or len(piece) == 1):
        return False
    lowered = piece.lower()
    return lowered in words or lowered.removesuffix("'s") in words


@cache
def _words() -> frozenset[str]:
    return words_of("words.txt")


def _pass(text: str) -> str:
    text = re.sub(_QUOTED, lambda found: _hide(found["content"]), _signed(text), flags=re.DOTALL)
    text = re.sub(_IPV6, _SIGNS["ip"], text)
    text = re.sub(_ANGLED, lambda found: _hide(found[1]), text)
    text = _hide_secrets(_hide_homes(re.sub(_SPACED_PATH, _PATH, text)))
    text = " ".join(map(_scrub_token, text.split()))
    text = re.sub(_MANY_SMALL, lambda found: re.sub(_SMALL, _NUMBER, found[0]), text)
    return _bound(text.translate(_WRITTEN))


def _signed(text: str) -> str:
    """Write quotes and dashes plainly, and placeholders as their signs."""
    if "&" in text:
        from html import unescape  # Few texts hold an entity.

        text = unescape(text.replace("&quot;", "`"))
    if "\\" in text:
        text = re.sub(_ESCAPED, _unescape, text)
    pattern = f"<({'|'.join(PLACEHOLDERS)})>"
    return re.sub(pattern, lambda found: _SIGNS[found[1]], text.translate(_ALIKE))


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found[1] or found[2], 16)).replace('"', "`")


def _hide_homes(text: str) -> str:
    """Hide paths that name somebody, with their blanks: `/Volumes/my disk/Users/me`."""
    return replace_spans(text, sorted(find_homes(text)), lambda _path: _PATH)


def _hide_secrets(text: str) -> str:
    """Hide the rest of each clause that tells a secret, such as `password: correct horse`."""
    done, parts = 0, []
    for found in re.finditer(_ASSIGNED, text):
        is_secret = names_secret(found[2]) or names_secret(f"{found[1] or ''}{found[2]}")
        if found.start() < done or not is_secret:
            continue
        end = re.compile(_CLAUSE_END).search(text, found.end())
        parts += [text[done : found.end()], _hide(text[found.end() : end.start() if end else None])]
        done = end.start() if end else len(text)
    return "".join([*parts, text[done:]])


def _hide(content: str) -> str:
    """Replace a stretch by the sign of its kind; the account of all emulators tells nothing."""
    content = content.strip()
    if not content or content == DUMMY_ACCOUNT:
        return content
    return content if re.fullmatch(_SIGN, content) else _kind_of(content)


def _kind_of(piece: str) -> str:
    for kind, matches in _KINDS:
        if matches(piece):
            return _SIGNS[kind]
    return _SIGNS["token"] if " " not in piece and looks_like_secret(piece) else _NAME


@lru_cache(4096)
def _scrub_token(token: str) -> str:
    """Scrub what stands between two spaces."""
    core = token.lstrip(_BEFORE)
    before = token[: len(token) - len(core)]
    core = core.rstrip(_AFTER)
    if _is_whole(core):
        return _shorten(before) + _kind_of(core) + _shorten(token[len(before) + len(core) :])
    parts: list[str] = []
    for piece in re.findall(_PIECES, token):
        is_value = bool(parts) and parts[-1].endswith((":", "="))
        parts.append(_scrub_piece(piece, is_value=is_value))
    return "".join(parts)


def _is_whole(core: str) -> bool:
    """True if a token is one thing with its punctuation: an address, a path, a time."""
    if not core or is_word(core) or _is_small(core) or re.search(_SIGN, core):
        return False
    return any(mark in core for mark in "@\\/~") or _kind_of(core) not in (_NAME, _SIGNS["token"])


def _scrub_piece(piece: str, *, is_value: bool) -> str:
    """Keep a word, a small number and punctuation; as a value not even the first two."""
    core = piece if is_word(piece) else piece.rstrip(".'%")
    rest = _shorten(piece[len(core) :])
    if not core or piece[0] in "()[]{},;!?<>=:" or _PUNCTUATION.issuperset(core):
        return _shorten(piece)
    gone = re.search(_SIGN, core)
    if gone:
        return gone[0] + rest
    if is_word(core) or _is_small(core.removeprefix("-")):
        return (_NAME if is_value else core) + rest
    return _kind_of(core) + rest


def _is_small(piece: str) -> bool:
    """True if a number is too small to be anybody's."""
    return piece == DUMMY_ACCOUNT or re.fullmatch(_SMALL, piece) is not None


def _shorten(marks: str) -> str:
    return marks if len(marks) <= _MOST_MARKS else marks[:2] + marks[-1]


def _bound(text: str) -> str:
    """Cut a text to what may come out, between two words."""
    if len(text) <= _LONGEST_WRITTEN:
        return text
    return text[: _LONGEST_WRITTEN + 1].rpartition(" ")[0]


def scrub_trace(text: str) -> str:
    """Keep a traceback's types, functions, line numbers and the files of installed packages.

    Paths of other files and lines of source go; messages are scrubbed. Of many frames the
    last 50 stay. Never raises.
    """
    lines: list[str] = []
    is_error_next = False
    for line in text[:_LONGEST_TRACE].split("\n")[-_MOST_LINES_READ:]:
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
    return "\n".join(_last(lines))[:_LONGEST_TRACE_WRITTEN]


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
