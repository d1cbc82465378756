"""Secrets: what names one, what looks like one, and how each is masked.

The only place that knows. Captures, audits, events, `status` and errors ask here. Patterns are
compiled when they are first used, and each takes time in proportion to the text.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MASK = "********"
"""What stands in the place of a hidden value."""

SHORTEST_BYTES = 8
"""The length of the shortest secret that is searched for: shorter values, such as a `1`, stand
in many harmless texts."""

ORDINARY_WORDS = frozenset(
    """root user users admin administrator ubuntu debian runner localstack docker vscode codespace
    jenkins gitlab github circleci travis build builder ci dev developer test tester guest nobody
    app node python java home default system service linux darwin windows host server local
    localhost container work workspace""".split()  # noqa: SIM905  (a list of words reads best so)
)
"""Names that identify nobody and nothing."""

# Names are compared in lower case with `_` between their words: `apiKey` is `api_key`.
_NAME = (
    # These end a longer word too: `mypassword`, `accesstoken`.
    r"(?:password|passwd|passphrase|passcode|secret|token|credential|cookie|authorization"
    r"|api_?key|accesskey|privatekey|secretkey)s?(?![a-z])"
    r"|(?<![a-z0-9])(?:(?:db|key|my|root|store|user)?(?:pwd|pass|pw)|pswd|pat|dsn|auth|bearer|jwt|psk"
    r"|mnemonic|creds?|otp|cvv|pword|passwort|kennwort|basicauth|sshkey|masterkey|appkey)(?![a-z])"
    r"|(?:access|activation|auth|backup|mfa|recovery|security|unlock)_codes?$|(?:seed|pass)_phrase$"
    r"|conn(?:ection)?_?str(?:ing)?s?$|amz_signature$"
    # A `key` alone is any: of a table, of an object in a bucket.
    r"|(?<![a-z0-9])(?!(?:arrow|cache|composite|foreign|group|hash|hot|index|message|object"
    r"|partition|primary|public|range|routing|sort|tag|unique)_key)[a-z0-9]+_keys?(?![a-z])(?!_value)"
)
_ABOUT = (
    r"_(?:age|arn|at|count|dir|disabled|enabled|endpoint|errors?|expir(?:y|ed|es|ation)|failed"
    r"|failure|files?|format|helper|host|ids?|length|limit|method|mode|names?|path|pid|policy|port"
    r"|provider|region|required|size|sock|source|status|ttl|type|ur[il]|used|users?|valid|version)$"
)
"""What a name ends in that says something about a secret and does not hold it."""

_IDENTIFYING = r"(?:^|_)(?:auth|access|api|secret|private)_(?:token|key)_id$"

_ISSUED = (
    r"(?<![A-Za-z0-9])(?:"
    r"(?P<cloud_key>(?:AKIA|ASIA|ABIA|ACCA|LSIA|LKIA|AROA|AIDA)[A-Z0-9]{16}|AIza[0-9A-Za-z_-]{20,}"
    r"|ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,})"
    # Small letters alone are a token's if they stand in its lengths: `ls-some-file-here` is a name.
    r"|(?P<emulator_token>ls-(?=[a-z-]{0,80}[A-Z0-9])[A-Za-z0-9]{4,12}(?:-[A-Za-z0-9]{4,12}){2,8}"
    r"|ls-[a-z]{8}(?:-[a-z]{4}){3}-[a-z]{12}(?![a-z]))"
    r"|(?P<token>gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:sk|pypi)-(?=[a-z_-]{0,250}[A-Z0-9])[A-Za-z0-9_-]{20,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{36}|dop_v1_[a-f0-9]{20,}"
    r"|hf_[A-Za-z0-9]{20,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|dckr_pat_[A-Za-z0-9_-]{20,}"
    r"|gls?a_[A-Za-z0-9_]{20,}|shp(?:at|ss|ca|pa)_[A-Fa-f0-9]{20,}|(?:whsec|lin_api)_[A-Za-z0-9+/=]{20,}"
    r"|ATATT3[A-Za-z0-9_=-]{20,}|xapp-[A-Za-z0-9-]{20,}|tskey-[A-Za-z0-9-]{16,}"
    r"|hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{20,}"
    r"|discord(?:app)?\.com/api/webhooks/[0-9]{6,20}/[A-Za-z0-9_-]{20,}"
    r"|hvs\.[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)*))"
    r"|(?P<private_key>-----BEGIN [A-Z ]{0,30}PRIVATE KEY"
    r"(?:-----[^-]{0,20000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?)?)"
)
"""The forms of tokens that known issuers give out."""

_TOLD = (
    r"(?:AccountKey=|(?i:aws_?secret_?access_?key)[\"' ]{0,3}[=:][\"' ]{0,3})"
    r"(?P<cloud_key>[A-Za-z0-9+/]{40,100})"
    r"|(?<![A-Za-z0-9])(?i:bearer|basic)[ \t]{1,4}(?P<header>[A-Za-z0-9+/=_.~-]{16,})"
    r"|[A-Za-z][A-Za-z0-9+.-]{1,20}://(?P<login>[^\s/@:*]{0,100}:[^\s/@*]{1,200})@"
    r"|(?:[?&]|, ?)(?i:x-amz-(?:signature|credential|security-token)|signature|sig)="
    r"(?P<signature>[^\s&*]{6,})"
)
"""What stands where a credential stands: in a header, in a URL, in a signed request."""

_TOLD_BRIEFLY = (
    r"(?<![A-Za-z0-9])(?i:bearer|basic)[ \t]{1,4}(?P<header>(?=[^A-Za-z\s]{0,15}[A-Za-z])"
    r"(?=[^0-9\s]{0,15}[0-9])[A-Za-z0-9+/=_.~-]{6,15})(?![A-Za-z0-9+/=_.~-])"
    r"|(?<![A-Za-z0-9])https?://(?P<login>[^\s/@:*?#]{8,200})@"
)
_TOLD_TO_A_SERVER = (
    r"(?i:authorization)\\{0,3}[\"']?[=:] ?\\{0,3}[\"']?[A-Za-z-]{2,20} "
    r"(?P<header>[^\s\"'*\\]{3,400})"
    r"|(?<![A-Za-z])(?i:cookie): ?(?P<cookie>[^\s\"'*][^\r\n\"'*]{3,400})"
    r"|(?i:identified by) {1,4}[\"'](?P<assigned>[^\"'*]{1,200})"
    r"|(?<![A-Za-z])(?i:(?:access|api|encryption|private|secret|signing) key)[\"']? ?[=:] ?[\"']?"
    r"(?P<assigned_key>[^\s\"'&*<>{}$\\]{4,200})"
    r"|(?<![A-Za-z0-9-])(?i:token|api[_ -]?key|jwt|pass(?:word|wd|phrase)|secret)"
    r"(?: (?:is|was|provided))?:? ?[\"'`<(]?(?=[a-z0-9+/=_.~-]{0,200}[A-Z])"
    r"(?=[A-Z0-9+/=_.~-]{0,200}[a-z])(?=[A-Za-z+/=_.~-]{0,200}[0-9])"
    r"(?P<said>[A-Za-z0-9+/=_.~-]{12,400})"
    r"|(?<![\w-])(?i:login|sshpass|mysql|mysqldump|mariadb)(?=\s)[^|;&\n]{0,120}?\s-p ?[\"']?"
    r"(?P<typed>[^\s\"'*-][^\s\"'*]{3,200})"
    r"|(?<![\w-])(?:-u|--user)[ =][\"']?(?P<login>[^\s:@*\"']{1,100}:[^\s*\"']{1,200})"
)
"""The same, where what stands before it says more than its form."""

_PLACED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("",), _ISSUED),
    (("=", ":", "bearer", "basic"), _TOLD),
    (("bearer", "basic", "://"), _TOLD_BRIEFLY),
    (
        (
            *("authorization", "-u ", "-u=", "-user", "cookie", " by ", "key", "token", "jwt"),
            *("pass", "secret", " -p"),
        ),
        _TOLD_TO_A_SERVER,
    ),
)
"""One of these texts, in small letters, stands where such a form or place does."""

# A value is looked at and not consumed: in `text=token=…` it is the next assignment.
_ASSIGNED = (
    r"(?<![\w.-])([\w.-]{2,60})(?:\]|%5[Dd])?(?:(?:\[|%5[Bb])[0-9]{0,5}(?:\]|%5[Dd])){0,2}"
    r"\\{0,3}[\"']?[ \t]{0,4}(?:=>|:=|[=:])[ \t]{0,4}(?:[!&][\w!:/.-]{0,40}[ \t]{1,4})?"
    r"\\{0,3}[\"']?(?!(?i:true|false|none|null)(?![\w.-])|\*+(?![^\s\"'&<>{}\\]))"
    r"(?=([^\s\"'&<>{}$\\][^\s\"'&<>{}\\]{3,200}))"
)
_QUOTED = (
    r"(?<![\w.-])([\w.-]{2,60})\\{0,3}[\"']?[ \t]{0,4}(?:=>|:=|[=:])[ \t]{0,4}\\{0,3}[\"']"
    r"(?=([^\"'*\\\r\n]{4,300})\\{0,3}[\"'])"
)
_BLOCK = (
    r"(?<![\w.-])([\w.-]{2,60})[\"']?[ \t]{0,4}:[ \t]{0,4}[|>][+0-9-]{0,2}[ \t]{0,4}\r?\n"
    r"[ \t]{1,40}(?=([^\s*][^\n*]{0,300}(?:\n[ \t][^\n*]{0,300}){0,9}))"
)
_LINE_BELOW = (
    r"(?<![\w.-])([\w.-]{2,60})[\"']?[ \t]{0,4}:[ \t]{0,4}\r?\n[ \t]{0,40}(?:- {1,4})?[\"']?"
    r"(?=\S{0,200}[0-9]|\S{1,300}[ \t]{0,4}(?:\r?\n|$))(?=([^\s*#:\"'{}-][^\s:*=\"'{}]{3,300}))"
)
_PAIR = (
    r"(?<![\w.-])(?:name|key)[\"']?[ \t]{0,4}:[ \t]{0,4}[\"']?([\w.-]{2,60})[\"']?"
    r"(?:,[ \t]{0,9}|[ \t]{0,4}\r?\n[ \t]{1,40})[\"']?value[\"']?[ \t]{0,4}:[ \t]{0,4}[\"']?"
    r"(?=([^\s*\"',{}][^\r\n\"'*,{}]{0,300}))"
)
_OPTION = (
    r"(?<![\w-])(?:--?|login \S{1,100} (?=password ))([\w-]{2,60})[ \t]{1,4}[\"']?"
    r"(?=([^\s\"'&*<>{}$\\-][^\s\"'&*<>{}$\\]{3,200}))"
)
_ELEMENT = (
    r"<([\w.:-]{2,60})(?:\s[^<>]{0,200})?>\s{0,20}(?:<!\[CDATA\[)?"
    r"(?=([^<>*\s][^<>*]{0,500}?)(?:\]\]>\s{0,20})?</)"
)
_ATTRIBUTE = (
    r"(?:name|key|id|type)=\\{0,3}[\"']([\w.:-]{2,60})\\{0,3}[\"']"
    r"(?:\s[^<>]{0,100})?(?:>\s{0,20}(?=([^<>*\s][^<>*]{0,500})</)|\bvalue=\\{0,3}[\"']"
    r"(?=([^\"'*<>\\]{1,300})))"
)
_ATTRIBUTE_AFTER = (
    r"\bvalue=\\{0,3}[\"'](?=([^\"'*<>\\]{1,300})\\{0,3}[\"']\s{1,9}"
    r"(?:name|key|id)=\\{0,3}[\"'](?P<name>[\w.:-]{2,60})\\{0,3}[\"'])"
)
_NEXT_ELEMENT = (
    r"<(?:name|key)>\s{0,9}([\w.:-]{2,60})\s{0,9}</(?:name|key)>\s{0,40}<\w{1,40}>"
    r"(?=([^<>*\s][^<>*]{0,500})</)"
)
_PART_OF_FORM = (
    r"name=\\{0,3}[\"']?([\w.-]{2,60})\\{0,3}[\"']?[^\r\n]{0,200}(?:\r?\n[^\r\n]{1,200}){0,4}"
    r"\r?\n\r?\n(?=([^\r\n*]{1,500}))"
)
_STEP_OF_PATH = r"(?:/|(?<=[\s(])|^)([\w.-]{2,60})/(?=([A-Za-z0-9_.~-]{8,200})(?![A-Za-z0-9_.~-]))"

_NAMED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("=", ":"), _ASSIGNED),
    (("=", ":"), _QUOTED),
    ((": |", ": >", ":|", ":>"), _BLOCK),
    ((":\n", ":\r", ": \n"), _LINE_BELOW),
    (("value",), _PAIR),
    (("-", "login "), _OPTION),
    (("</",), _ELEMENT),
    (("</",), _NEXT_ELEMENT),
    (("name=", "key=", "id=", "type="), _ATTRIBUTE),
    (("value=",), _ATTRIBUTE_AFTER),
    (("name=",), _PART_OF_FORM),
    (("/",), _STEP_OF_PATH),
)
"""What assigns a value to a name, and what stands in such a text, in small letters: a form, a
setting, JSON, YAML, the options of a command, XML, a form in parts, a path."""

_PLACES = frozenset(
    ("header", "cookie", "login", "signature", "assigned", "assigned-key", "said", "typed")
)
_MARKS = (":", "=", "--", "</", "login ", " -p", "bearer", "basic", "identified by ", "/token")
_RUN = r"[A-Za-z0-9+/_=.~-]{11}"

_COUNTED = r"[0-9]{9,}|(?=[0-9a-f]*[0-9])[0-9a-f]{12,}|(?=[0-9A-F]*[0-9])[0-9A-F]{16,}"
_PART = r"[A-Za-z0-9]{12,}|[0-9]{9,}"
_WORD = r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+"
_SHORTEST_DRAWN = 16
_MOST_NUMBERS = 2
_FEWEST_IN_WORD = 2.7
_MOST_TO_A_VOWEL = 7

_LONGEST_VALUE = 64 * 1024
_IN_URL = r"://([^/\s:@]*):([^/\s@]+)@"
# A key may begin with a slash too: a path is of a known folder, or its last part has a dot.
_PATH = (
    r"(?:~|\.{1,2}|/(?:home|root|Users|etc|usr|var|run|tmp|opt|srv|mnt|private|secrets?))/.*"
    r"|/(?:[\w@-]+/)+[\w@-]*\.\w+"
)
_TYPES = {int: "number", float: "number", bool: "boolean", list: "list", dict: "object"}


class Secret(Value):
    """A secret in a text: its kind, and where it begins and ends."""

    # `cloud-key`, `emulator-token`, `token`, `private-key`; or by its place `header`, `cookie`,
    # `login`, `signature`, `assigned` (`password=…`), `assigned-key` (`API key: …`).
    kind: str
    start: int
    end: int


@lru_cache(1024)
def names_secret(name: str) -> bool:
    """True if a variable, field, header or option of that name holds a credential."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    words = re.sub(r"[^a-z0-9]+", "_", apart.lower())
    if re.search(_ABOUT, words) and not re.search(_IDENTIFYING, words):
        return False
    return bool(re.search(_NAME, words) or re.search(_NAME, name.lower()))


def find_secrets(text: str) -> Iterator[Secret]:
    """Find what has the form or the place of a credential; in their order, none overlaps."""
    # Most texts hold none of these: whoever audits a full spool would wait 8 s in place of 5.
    lowered = text.lower()
    if not (any(mark in lowered for mark in _MARKS) or re.search(_RUN, text)):
        return
    last: Secret | None = None
    for found in sorted(_candidates(text, lowered), key=lambda each: each.start):
        if last is not None and found.start < last.end:
            is_closer = last.kind in _PLACES and found.kind not in _PLACES
            kind = found.kind if is_closer else last.kind
            last = Secret(kind, last.start, max(last.end, found.end))
            continue
        if last is not None:
            yield last
        last = found
    if last is not None:
        yield last


def _candidates(text: str, lowered: str) -> Iterator[Secret]:
    for marks, pattern in _PLACED:
        if any(mark in lowered for mark in marks):
            for match in re.finditer(pattern, text):
                group = match.lastgroup or ""
                yield Secret(group.replace("_", "-"), *match.span(group))
    for marks, pattern in _NAMED:
        if any(mark in lowered for mark in marks):
            for match in re.finditer(pattern, text):
                name = match.groupdict().get("name") or match[1]
                if names_secret(name) and _is_value(pattern, match):
                    place = 1 if pattern == _ATTRIBUTE_AFTER else match.lastindex or 2
                    yield Secret("assigned", *match.span(place))


def _is_value(pattern: str, match: re.Match[str]) -> bool:
    """True if a value follows the name; in a path a word may follow it just as well."""
    return pattern != _STEP_OF_PATH or any(letter.isdigit() for letter in match[2])


def looks_like_secret(name: str) -> bool:
    """True if a name holds a known token, or letters and digits that a machine drew.

    None of the 106,000 names that botocore knows does, and 98 of 100 random texts of 24 letters
    and digits do. A token of lower-case letters alone can often not be told from a name.
    """
    is_drawn = any(map(_is_drawn, re.findall(_PART, name)))
    return is_drawn or bool(re.search(_ISSUED, name)) or any(True for _ in find_secrets(name))


def _is_drawn(part: str) -> bool:
    """True if letters and digits were drawn, and are not words written as one."""
    if re.fullmatch(_COUNTED, part):
        return True
    if len(part) < _SHORTEST_DRAWN:
        return False
    words = re.findall(_WORD, part)
    vowels = sum(letter in "aeiouyAEIOUY" for letter in part)
    return (
        sum(word.isdigit() for word in words) > _MOST_NUMBERS
        or len(part) < _FEWEST_IN_WORD * len(words)
        or len(part) > _MOST_TO_A_VOWEL * vowels
    )


def secrets_of(variables: Mapping[str, str]) -> tuple[str, ...]:
    """List the values of variables that are secrets, longest first; of URLs the passwords."""
    found = {each for name, value in variables.items() for each in _secrets_in(name, value)}
    return tuple(sorted(found, key=lambda each: (-len(each), each)))


def _secrets_in(name: str, raw: str) -> Iterator[str]:
    value = raw.strip(" \t\r\n\"'")
    if len(value) > _LONGEST_VALUE:
        return
    for match in re.finditer(_IN_URL, value):
        if len(match[2]) >= SHORTEST_BYTES - 2:
            yield match[2]
    if len(value) >= SHORTEST_BYTES and _is_credential(name) and not _is_ordinary(value):
        yield value


def _is_credential(variable: str) -> bool:
    """True if a variable holds a credential: `KEY` does too, and the shell's `PWD` does not."""
    return variable != "PWD" and (
        names_secret(variable) or variable.partition("_")[0].upper() in ("KEY", "KEYS")
    )


def _is_ordinary(value: str) -> bool:
    """True if a value is a path, a list of paths, an address or a plain word."""
    if value.startswith(("http://", "https://", "unix:")) or os.pathsep + "/" in value:
        return not re.search(_IN_URL, value) and "?" not in value
    return re.fullmatch(_PATH, value) is not None or value.lower() in ORDINARY_WORDS


def mask_secrets(text: str, known: Iterable[str] = ()) -> str:
    """Put asterisks in the place of known values and of what looks like a credential.

    The length stays, so that all around it stays where it was.
    """
    for value in known:
        text = text.replace(value, "*" * len(value))
    spans = ((start, end) for _, start, end in find_secrets(text))
    return replace_spans(text, spans, lambda found: "*" * len(found))


def replace_spans(text: str, spans: Iterable[tuple[int, int]], write: Callable[[str], str]) -> str:
    """Write something else in the place of stretches; of two that overlap the first counts.

    `spans` are their beginnings and ends, in the order of the beginnings.
    """
    at, parts = 0, []
    for start, end in spans:
        if start >= at:
            parts += [text[at:start], write(text[start:end])]
            at = end
    return "".join((*parts, text[at:]))


def mask_url_credentials(url: str) -> str:
    """Hide all that a URL carries besides its address: user, password, query."""
    address, mark, _ = url.partition("?")
    head, scheme, rest = address.rpartition("://")
    if "@" in rest:
        rest = f"{MASK}@{rest.rpartition('@')[2]}"
    return f"{head}{scheme}{rest}{mark}{MASK if mark else ''}"


def without_user(url: str) -> str:
    """Drop user and password from a URL; a path is returned as it is."""
    return re.sub(r"(?i)^([a-z][a-z0-9+.-]*://)[^/?#]*@", r"\1", url)


def redact(value: object) -> str:
    """Hide a machine ID except for its kind: `gen_********`."""
    text = value if isinstance(value, str) else ""
    return f"{text[:4] if text[3:4] == '_' else ''}{MASK}"


def summarize(value: object) -> str:
    """Name a value without showing it: `te******` for a text of eight characters or more.

    Of a shorter text no character is shown; of any other value its type.
    """
    if isinstance(value, str):
        head = value[:2] if len(value) >= SHORTEST_BYTES else ""
        shown = head if head.isascii() and head.isalnum() else ""
        return f"{shown}{'*' * 6}" if value else "empty text"
    return "null" if value is None else _TYPES.get(type(value), "value")
