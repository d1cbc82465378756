"""Paths that name somebody: homes of users, shares of servers, repositories on runners of CI.

The only place that knows their forms. The audit and the scrubbing of texts ask here. Patterns are
compiled when they are first used, and each takes time in proportion to the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from usagectl.sensitive import ORDINARY_WORDS, replace_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEP = r"(?:[\\/]{1,4}|%2[Ff]|%5[Cc])"
_PART = r"([^\\/\s\"':,;<>*%${}|]{1,64})"
_FOLDERS = rf"(?:[\w.$@+-]{{1,64}}(?: [\w.$@+-]{{1,64}}){{0,3}}{_SEP}){{0,5}}"
_AT = (
    r"(?:(?<![\w.%])|(?<=%[23][ADFadf])|(?<=[\s\"'=]-[A-Za-z])|(?<=^-[A-Za-z])|(?<=-isystem)"
    rf"|(?<=\.\.)|(?<=[\s\"'=]\.)|(?<=^\.)|(?<=[\[;][0-9]m)|(?<=[\[;][0-9][0-9]m)){_SEP}"
)
"""Where a path begins, also behind an option such as `-I`, dots, a colour, or in a coded URL."""

_DRIVE = rf"(?:(?<!\w)|(?<=%2[Ff]))[A-Za-z](?::|%3[Aa]){_SEP}"
_SERVER = r"(?!localhost[\\/]|127\.)[A-Za-z0-9][\w.$-]{1,62}"
_HOME = r"home[0-9]{0,2}|homes|(?:local|net|nfs)[_-]?home|home[_-](?:local|nfs)"
_OF_USERS = rf"(?:{_HOME}|(?i:users|documents and settings)){_SEP}{_PART}"
# What stands on the web is no folder, though its query may name one: this has no group.
_WEB = r"(?:https?|wss?)://(?:[^\s\"'<>()\[\]?#,;|:]|:(?!/))*"
_HOMES = "|".join(
    (
        _WEB,
        rf"{_AT}(?:{_HOME}|Users|root|(?:private{_SEP})?var{_SEP}root){_SEP}{_PART}",
        # On a disk, a drive of Windows, in a volume; and on what is mounted, some folders below.
        rf"{_AT}(?:[a-z]|usr|var|srv|opt|local|work|data[0-9]{{0,2}}|scratch|efs|fsx|storage"
        rf"|var{_SEP}services){_SEP}{_OF_USERS}",
        rf"{_AT}(?:mnt|media|net|Network|nas\w{{0,20}}|nfs\w{{0,20}}|Volumes|volume[0-9]{{1,2}}|System"
        r"|run|proc|cygdrive|host\w{0,20}|rootfs|sysroot|exports?|gpfs\w{0,20}|lustre\w{0,20}"
        rf"|ceph\w{{0,20}}|cluster|global|shared?|afs|eos|ostree|\.snapshots|timeshift){_SEP}{_FOLDERS}{_OF_USERS}",
        rf"{_AT}(?:var{_SEP}lib|private{_SEP}var){_SEP}{_FOLDERS}home{_SEP}{_PART}",
        rf"{_AT}(?:afs|eos){_SEP}{_FOLDERS}(?:user|usr|u){_SEP}(?:[a-z]{_SEP})?{_PART}",
        rf"{_DRIVE}(?:(?i:users|documents and settings)|(?:cygwin|msys)[0-9]{{0,2}}{_SEP}home)"
        rf"{_SEP}{_PART}",
        # A share of a server; with two marks for each where the text was escaped.
        rf"(?<![\w:.\\/])\\\\(?:\?\\UNC\\)?{_SERVER}\\{_PART}",
        rf"(?<![\w:.\\/])\\{{4}}{_SERVER}\\\\{_PART}",
        rf"(?<![\w:.\\/])//{_SERVER}/{_FOLDERS}{_OF_USERS}",
        rf"(?<!\w)(?:smb|cifs|afp|nfs)://(?:[^\s/@]{{0,64}}@)?{_SERVER}/{_PART}",
        rf"(?<!\w)[A-Za-z][\w+.-]{{1,20}}://[^\s/\"']{{0,64}}/{_FOLDERS}{_OF_USERS}",
        rf"(?<![\w.~/\\%])~([A-Za-z_][\w.-]{{0,31}}){_SEP}",
        rf"pytest-of-{_PART}|{_AT}(?:var{_SEP}(?:spool{_SEP})?mail|run{_SEP}media){_SEP}{_PART}",
    )
)
"""Folders of users, and shares of servers: each alternative has a group, the name that tells."""

_HOST = r"[a-z0-9][\w-]{0,62}(?:\.[\w-]{1,63}){1,4}"
_RUNNERS = "|".join(
    (
        _WEB,
        rf"{_SEP}(?:__w|_work){_SEP}{_PART}|{_DRIVE}(?:a|projects){_SEP}{_PART}",
        rf"{_AT}(?:cygdrive{_SEP})?d{_SEP}a{_SEP}{_PART}{_SEP}",
        rf"(?:{_AT}|(?i:gitlab-runner|buildkite-agent|buildkite){_SEP})builds{_SEP}"
        rf"(?:[\w-]{{1,64}}{_SEP}[0-9]{{1,4}}{_SEP})?{_PART}{_SEP}",
        rf"(?i:jenkins)[\w.-]{{0,32}}{_SEP}{_FOLDERS}(?:workspace|jobs){_SEP}{_PART}",
        rf"{_AT}(?:workspaces|buddy|codefresh{_SEP}volume){_SEP}{_PART}",
        rf"{_AT}workspace{_SEP}{_PART}{_SEP}",
        rf"{_AT}(?:codebuild|woodpecker|drone|sd){_SEP}{_FOLDERS}src{_SEP}{_HOST}{_SEP}{_PART}",
        rf"(?:go-agent[\w-]{{0,20}}|godata){_SEP}pipelines{_SEP}{_PART}|build-dir{_SEP}{_PART}",
        rf"{_AT}tmp{_SEP}build{_SEP}(?:[0-9a-f]{{8}}|put|get){_SEP}{_PART}",
        rf"buildbot{_SEP}(?:worker|slave)s?{_SEP}{_PART}|{_AT}tmpfs{_SEP}src{_SEP}git(?:hub)?{_SEP}{_PART}",
    )
)
"""Folders of runners of CI in which a repository, or the job that builds it, has its name."""

_RUNNERS_OWN = frozenset(
    """artifacts bin build builds cache code dist docs input lib output project projects repo
    repository s scripts source src target temp tests tmp tools""".split()  # noqa: SIM905  (as above)
)
_DRAWN_NAME = (
    r"(?i:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{12,64})"
)
"""A UUID, or a hash and no number of a student."""

_REST = re.compile(
    r"(?:[^\s\"':,;<>*]"
    # A blank or such a sign inside a path: a folder follows, or the surname of a person.
    r"|[ ,;:'](?=[^\s\\/\"':,;<>*]{1,64}(?: [^\s\\/\"':,;<>*]{1,64}){0,2}[\\/])"
    r"|(?<=[\w.]) (?=[A-Z][\w.-]{0,30}$))*"
)
HIDDEN_HOME = r"(?<!~)~/[*/\\]*\*"
"""What `mask_homes` puts in the place of a path into a home, as a pattern."""


def find_homes(text: str) -> Iterator[tuple[int, int]]:
    """Find paths that name somebody: where each begins, and where the telling name ends.

    Into the home of a user or on the share of a server; and on a runner of CI where the path
    names a repository. A number that was drawn, such as a UUID, names nobody.
    """
    if not any(mark in text for mark in "/\\%"):
        return
    for pattern, names in ((_HOMES, _names_somebody), (_RUNNERS, _names_repository)):
        for match in re.finditer(pattern, text):
            if match.lastindex is not None and names(match[match.lastindex]):
                yield match.span()


def mask_homes(text: str, own: tuple[str, ...] = ()) -> str:
    """Put `~/` and asterisks in the place of each path that names somebody; the length stays.

    `own` are homes of this machine, whatever form they have.
    """
    found = sorted((*_find_own(text, own), *find_homes(text)))
    # It goes on to the end of the path: the pattern matches anything.
    whole = ((start, _REST.match(text, end).end()) for start, end in found)  # type: ignore[union-attr]
    return replace_spans(text, whole, _hide)


def _hide(path: str) -> str:
    return "~/" + re.sub(r"[^/\\]", "*", path[2:-1]) + "*"


def _find_own(text: str, own: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    for home in own:
        for match in re.finditer(rf"(?<![\w.~]){re.escape(home)}(?![\w-])", text):
            yield match.span()


def _names_somebody(folder: str) -> bool:
    return re.fullmatch(_DRAWN_NAME, folder) is None


def _names_repository(folder: str) -> bool:
    return _names_somebody(folder) and not (
        folder.startswith("_")
        or folder.isdigit()
        or folder.lower() in _RUNNERS_OWN | ORDINARY_WORDS
    )
