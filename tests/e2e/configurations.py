"""The configurations of LocalStack that a prediction is tried on.

Many are nasty ones, written by hand; the rest is drawn at random from a fixed seed.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from .support import Entry, Folder, LockedFolder, Symlink, Unreadable

SEED: Final = 4_12_0
MIXED_COUNT: Final = 60
DEFAULT_PER_KIND: Final = 6
FILE_LIKELIHOOD: Final = 0.6

DEFAULT: Final = "home/.localstack/default.env"
PROFILES: Final = "home/.localstack/"
OPT_OUT: Final = b"DISABLE_EVENTS=1\n"
OPT_IN: Final = b"DISABLE_EVENTS=0\n"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a person set: variables, and files below the sandbox's folder."""

    kind: str
    name: str
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """A short name for a report."""
        return f"{self.kind}/{self.name}"


# What is nastiest in each kind stands first: the default run takes the first few of each.

VALUES: Final = {
    "blank-1": " 1 ",
    "mixed-case": "tRuE",
    "no-break-space": "\u00a01",
    "invalid-utf8": "1\udcff",
    "yes": "yes",
    "1": "1",
    "true": "true",
    "upper": "TRUE",
    "capital": "True",
    "on": "on",
    "2": "2",
    "01": "01",
    "0": "0",
    "false": "false",
    "empty": "",
    "blank": " ",
    "tab": "\t1\t",
    "newline": "true\n",
    "carriage-return": "1\r",
    "ideographic-space": "\u3000true",
    "unit-separator": "\x1f1",
    "next-line": "\x851",
    "zero-width-space": "\u200b1",
    "byte-order-mark": "\ufeff1",
    "fullwidth": "\uff11",
    "arabic-digit": "\u0661",
    "quoted": '"1"',
    "quoted-single": "'1'",
    "y": "y",
    "t": "t",
    "1.0": "1.0",
    "plus-1": "+1",
    "two-words": "1 1",
    "long": "1" * 5000,
}

ENVIRONMENTS: Final[dict[str, tuple[dict[str, str], bytes | None]]] = {
    "empty-beats-profile": ({"DISABLE_EVENTS": ""}, OPT_OUT),
    "0-beats-profile": ({"DISABLE_EVENTS": "0"}, OPT_OUT),
    "1-beats-profile": ({"DISABLE_EVENTS": "1"}, OPT_IN),
    "prefixed-only": ({"LOCALSTACK_DISABLE_EVENTS": "1"}, None),
    "plain-1-prefixed-0": ({"DISABLE_EVENTS": "1", "LOCALSTACK_DISABLE_EVENTS": "0"}, None),
    "yes-beats-profile": ({"DISABLE_EVENTS": "yes"}, OPT_OUT),
    "blank-beats-profile": ({"DISABLE_EVENTS": " "}, OPT_OUT),
    "nothing": ({}, None),
    "plain-0-prefixed-1": ({"DISABLE_EVENTS": "0", "LOCALSTACK_DISABLE_EVENTS": "1"}, None),
    "empty-prefixed-1": ({"DISABLE_EVENTS": "", "LOCALSTACK_DISABLE_EVENTS": "1"}, None),
    "prefixed-0-profile-1": ({"LOCALSTACK_DISABLE_EVENTS": "0"}, OPT_OUT),
    "prefixed-yes": ({"LOCALSTACK_DISABLE_EVENTS": "yes"}, None),
    "prefixed-empty-profile-1": ({"LOCALSTACK_DISABLE_EVENTS": ""}, OPT_OUT),
    "lower-case-name": ({"disable_events": "1"}, None),
    "do-not-track": ({"DO_NOT_TRACK": "1"}, None),
    "internal-test-run": ({"LOCALSTACK_INTERNAL_TEST_RUN": "1"}, None),
    "debug-analytics": ({"DEBUG_ANALYTICS": "1"}, OPT_OUT),
    "dotenv-disabled": ({"PYTHON_DOTENV_DISABLED": "1"}, OPT_OUT),
    "0-and-broken-profile": ({"DISABLE_EVENTS": "0"}, b"X=\xff\n"),
    "1-and-broken-profile": ({"DISABLE_EVENTS": "1"}, b"X=\xff\n"),
    "hides-nul": ({"X": "1"}, b"X=a\x00b\n"),
    "hides-nul-in-flag": ({"DISABLE_EVENTS": "0"}, b"DISABLE_EVENTS=1\x00\n"),
    "ascii-locale": (
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "DISABLE_EVENTS": "\u00a01"},
        None,
    ),
    "ci": ({"CI": "1"}, None),
    "in-docker-word": ({"OVERRIDE_IN_DOCKER": "false"}, OPT_OUT),
}

LINES: Final = {
    "bare-after-1": b"DISABLE_EVENTS=1\nDISABLE_EVENTS\n",
    "swallowed-by-quotes": b'X="\nDISABLE_EVENTS=1\nY=2"\n',
    "unterminated-before": b'X="\nDISABLE_EVENTS=1\n',
    "comment-without-blank": b"DISABLE_EVENTS=1# c\n",
    "single-quoted-escape": b"DISABLE_EVENTS='1\\n'\n",
    "key-with-equals": b"'A=B'=1\nDISABLE_EVENTS=0\n",
    "quoted-then-more": b"DISABLE_EVENTS='1' more\n",
    "duplicate-last-off": b"DISABLE_EVENTS=1\nDISABLE_EVENTS=0\n",
    "unterminated": b'DISABLE_EVENTS="1\n',
    "unterminated-then-again": b'DISABLE_EVENTS="1\nDISABLE_EVENTS=1\n',
    "plain": OPT_OUT,
    "no-newline": b"DISABLE_EVENTS=1",
    "single-quotes": b"DISABLE_EVENTS='1'\n",
    "double-quotes": b'DISABLE_EVENTS="1"\n',
    "blanks-in-quotes": b'DISABLE_EVENTS="  true\t"\n',
    "mixed-quotes": b"DISABLE_EVENTS='1\"\n",
    "quotes-in-quotes": b"DISABLE_EVENTS=\"'1'\"\n",
    "export": b"export DISABLE_EVENTS=1\n",
    "export-tab": b"export\tDISABLE_EVENTS=1\n",
    "export-no-blank": b"exportDISABLE_EVENTS=1\n",
    "export-upper": b"EXPORT DISABLE_EVENTS=1\n",
    "export-twice": b"export export DISABLE_EVENTS=1\n",
    "export-bare": b"export DISABLE_EVENTS\n",
    "set": b"set DISABLE_EVENTS=1\n",
    "yaml-list": b"- DISABLE_EVENTS=1\n",
    "spaced": b"  DISABLE_EVENTS = 1  \n",
    "comment": b"DISABLE_EVENTS=1 # no thanks\n",
    "comment-after-quotes": b"DISABLE_EVENTS='true'# no thanks\n",
    "value-is-comment": b"DISABLE_EVENTS= # 1\n",
    "value-is-hash": b"DISABLE_EVENTS=#1\n",
    "commented-out": b"#DISABLE_EVENTS=1\n",
    "commented-out-blank": b"  # DISABLE_EVENTS=1\n",
    "colon": b"DISABLE_EVENTS: 1\n",
    "blank-between": b"DISABLE_EVENTS 1\n",
    "bare": b"DISABLE_EVENTS\n",
    "bare-before-1": b"DISABLE_EVENTS\nDISABLE_EVENTS=1\n",
    "empty-value": b"DISABLE_EVENTS=\n",
    "empty-quotes": b"DISABLE_EVENTS=''\n",
    "lower-case": b"disable_events=1\n",
    "prefixed": b"LOCALSTACK_DISABLE_EVENTS=1\n",
    "yes": b"DISABLE_EVENTS=yes\n",
    "mixed-case-true": b"DISABLE_EVENTS=tRuE\n",
    "quoted-key": b"'DISABLE_EVENTS'=1\n",
    "double-quoted-key": b'"DISABLE_EVENTS"=1\n',
    "key-with-equals-then-1": b"DISABLE_EVENTS=1\n'A=B'=1\n",
    "key-with-equals-bare": b"'A=B'\nDISABLE_EVENTS=1\n",
    "key-with-equals-bare-again": b"'A=B'=1\n'A=B'\n",
    "key-with-blanks": b"'DISABLE_EVENTS '=1\n",
    "duplicate-last-on": b"DISABLE_EVENTS=0\nDISABLE_EVENTS=1\n",
    "duplicate-last-empty": b"DISABLE_EVENTS=1\nDISABLE_EVENTS=\n",
    "duplicate-thousand": b"DISABLE_EVENTS=0\n" * 1000 + OPT_OUT,
    "escaped-newline": b'DISABLE_EVENTS="1\\n"\n',
    "escaped-tab": b'DISABLE_EVENTS="\\t1"\n',
    "escaped-hex": b'DISABLE_EVENTS="\\x31"\n',
    "escaped-quote": b'DISABLE_EVENTS="\\"1\\""\n',
    "newline-in-quotes": b'DISABLE_EVENTS="1\n"\n',
    "multi-line-before": b'X="a\nb"\nDISABLE_EVENTS=1\n',
    "multi-line-after": b'DISABLE_EVENTS=1\nX="a\nDISABLE_EVENTS=0\n"\n',
    "swallowed-by-single-quotes": b"X='\nDISABLE_EVENTS=1\n'\n",
    "escaped-backslash-before-quote": b'X="\\\\"\nDISABLE_EVENTS=1\nY="\n',
    "trailing-backslash": b"DISABLE_EVENTS=1\\\n",
    "continued-line": b"DISABLE_EVENTS=\\\n1\n",
    "trailing-backslash-quoted": b'DISABLE_EVENTS="1\\',
    "double-equals": b"DISABLE_EVENTS==1\n",
    "semicolon": b"DISABLE_EVENTS=1;\n",
    "one-line-of-two": b"X=1 DISABLE_EVENTS=1\n",
    "command": b"DISABLE_EVENTS=$(echo 1)\n",
    "equals-only": b"=1\nDISABLE_EVENTS=1\n",
    "lone-quote": b"'\nDISABLE_EVENTS=1\n",
    "config-profile-inside": b"CONFIG_PROFILE=a\nDISABLE_EVENTS=1\n",
    "sections": b"[default]\nDISABLE_EVENTS=1\n",
}

CONTENTS: Final = {
    "invalid-utf8": b"# caf\xe9\nDISABLE_EVENTS=0\n",
    "byte-order-mark": b"\xef\xbb\xbfDISABLE_EVENTS=1\n",
    "nul-in-value": b"X=a\x00b\nDISABLE_EVENTS=0\n",
    "nul-in-bare-key": b"X\x00Y\nDISABLE_EVENTS=1\n",
    "carriage-returns": b"X=1\rDISABLE_EVENTS=1\r",
    "line-separator": b"X=1\xe2\x80\xa8DISABLE_EVENTS=1\n",
    "long-value": b"X=" + b"v" * 1_000_000 + b"\nDISABLE_EVENTS=1\n",
    "nul-in-flag": b"DISABLE_EVENTS=1\x00\n",
    "invalid-utf8-with-opt-out": b"DISABLE_EVENTS=1\nX=\xff\n",
    "crlf": b"# c\r\nDISABLE_EVENTS=1\r\n",
    "crlf-quoted": b'DISABLE_EVENTS="1"\r\nX=2\r\n',
    "byte-order-mark-crlf": b"\xef\xbb\xbf# c\r\nDISABLE_EVENTS=1\r\n",
    "byte-order-mark-twice": b"\xef\xbb\xbf\xef\xbb\xbfDISABLE_EVENTS=1\n",
    "byte-order-mark-inside": b"X=1\n\xef\xbb\xbfDISABLE_EVENTS=1\n",
    "utf-16": "DISABLE_EVENTS=1\n".encode("utf-16"),
    "nul-in-comment": b"# \x00\nDISABLE_EVENTS=1\n",
    "nul-in-key": b"X\x00Y=1\n",
    "no-break-space-before-key": b"\xc2\xa0DISABLE_EVENTS=1\n",
    "no-break-space-value": b"DISABLE_EVENTS=\xc2\xa01\xc2\xa0\n",
    "zero-width-space-before-key": b"\xe2\x80\x8bDISABLE_EVENTS=1\n",
    "form-feed-before-key": b"\x0cDISABLE_EVENTS=1\n",
    "vertical-tab-in-value": b"DISABLE_EVENTS=\x0b1\x0b\n",
    "next-line": b"X=1\xc2\x85DISABLE_EVENTS=1\n",
    "fullwidth-digit": b"DISABLE_EVENTS=\xef\xbc\x91\n",
    "accents": "# gr\u00fc\u00dfe \u2713\nDISABLE_EVENTS=1\n".encode(),
    "surrogate": b"# \xed\xa0\x80\nDISABLE_EVENTS=1\n",
    "escape-codes": b"\x1b[31mDISABLE_EVENTS=1\x1b[0m\n",
    "empty": b"",
    "blank": b" \n\t\n\n",
    "comments-only": b"# one\n# two\n",
    "long-comment": b"#" * 1_000_000 + b"\nDISABLE_EVENTS=1\n",
    "long-key": b"K" * 100_000 + b"=1\nDISABLE_EVENTS=1\n",
    "long-blanks": b"DISABLE_EVENTS=" + b" " * 100_000 + b"1\n",
    "many-lines": b"".join(b"V%d=1\n" % n for n in range(2000)) + OPT_OUT,
}

INTERPOLATIONS: Final[dict[str, tuple[dict[str, str], bytes]]] = {
    "single-quoted": ({"X": "1"}, b"DISABLE_EVENTS='${X}'\n"),
    "earlier-line-beats-environment": ({"X": "1"}, b"X=0\nDISABLE_EVENTS=${X}\n"),
    "default-but-empty": ({"X": ""}, b"DISABLE_EVENTS=${X:-1}\n"),
    "default-for-bare": ({}, b"X\nDISABLE_EVENTS=${X:-1}\n"),
    "itself-with-default": ({}, b"DISABLE_EVENTS=${DISABLE_EVENTS:-1}\n"),
    "default": ({}, b"DISABLE_EVENTS=${X:-1}\n"),
    "single-dash-default": ({}, b"DISABLE_EVENTS=${X-1}\n"),
    "parts": ({"X": "tr"}, b"DISABLE_EVENTS=${X}${Y:-ue}\n"),
    "environment": ({"X": "1"}, b"DISABLE_EVENTS=${X}\n"),
    "environment-0": ({"X": "0"}, b"DISABLE_EVENTS=${X}\n"),
    "absent": ({}, b"DISABLE_EVENTS=${X}\n"),
    "earlier-line": ({}, b"X=1\nDISABLE_EVENTS=${X}\n"),
    "later-line": ({}, b"DISABLE_EVENTS=${X}\nX=1\n"),
    "no-braces": ({"X": "1"}, b"DISABLE_EVENTS=$X\n"),
    "default-unused": ({"X": "0"}, b"DISABLE_EVENTS=${X:-1}\n"),
    "default-empty": ({}, b"DISABLE_EVENTS=${X:-}\n"),
    "default-blanks": ({}, b"DISABLE_EVENTS=${X:- 1 }\n"),
    "alternative": ({"X": "y"}, b"DISABLE_EVENTS=${X:+1}\n"),
    "assigning": ({}, b"DISABLE_EVENTS=${X:=1}\n"),
    "double-quoted": ({"X": "1"}, b'DISABLE_EVENTS="${X}"\n'),
    "backslash": ({"X": "1"}, b"DISABLE_EVENTS=\\${X}\n"),
    "itself": ({}, b"DISABLE_EVENTS=${DISABLE_EVENTS}\n"),
    "itself-earlier": ({}, b"DISABLE_EVENTS=1\nDISABLE_EVENTS=${DISABLE_EVENTS}\n"),
    "nested": ({"Y": "1"}, b"DISABLE_EVENTS=${X:-${Y}}\n"),
    "no-name": ({}, b"DISABLE_EVENTS=${:-1}\n"),
    "name-with-blanks": ({"X": "1"}, b"DISABLE_EVENTS=${ X }\n"),
    "name-lower-case": ({"X": "1"}, b"DISABLE_EVENTS=${x}\n"),
    "bare-hides-environment": ({"X": "1"}, b"X\nDISABLE_EVENTS=${X}\n"),
    "unclosed": ({"X": "1"}, b"DISABLE_EVENTS=${X\n"),
    "chained": ({}, b"A=1\nB=${A}\nDISABLE_EVENTS=${B}\n"),
    "prefixed": (
        {"LOCALSTACK_DISABLE_EVENTS": "1"},
        b"DISABLE_EVENTS=${LOCALSTACK_DISABLE_EVENTS}",
    ),
    "two-lines-of-value": ({"X": "1\n"}, b"DISABLE_EVENTS=${X}\n"),
}

CHOICES: Final[dict[str, tuple[str, dict[str, Entry]]]] = {
    "other-drops-opt-out": ("a", {"default": OPT_OUT}),
    "comma-reads-dot-env": (",", {"": OPT_OUT, "default": OPT_IN}),
    "bare-in-later-file": ("a,b", {"a": OPT_OUT, "b": b"DISABLE_EVENTS\n"}),
    "parent-folder": ("../x", {"../x": OPT_OUT}),
    "absolute-path": ("{root}/elsewhere", {"../../elsewhere": OPT_OUT}),
    "variable-of-other-file": ("a,b", {"a": b"X=1\n", "b": b"DISABLE_EVENTS=${X}\n"}),
    "nul-repaired-by-later-file": ("a,b", {"a": b"X=1\x002\n", "b": b"X=2\n"}),
    "list-last-wins": ("b,a", {"a": OPT_OUT, "b": OPT_IN}),
    "name-too-long": ("n" * 300, {"default": OPT_OUT}),
    "missing-then-a": ("missing,a", {"a": OPT_OUT}),
    "empty": ("", {"default": OPT_OUT}),
    "blank": ("  ", {"default": OPT_OUT}),
    "one": ("a", {"a": OPT_OUT}),
    "one-with-blanks": (" a ", {"a": OPT_OUT}),
    "list-first-loses": ("a,b", {"a": OPT_OUT, "b": OPT_IN}),
    "list-blank": ("b, a", {"a": OPT_OUT, "b": OPT_IN}),
    "list-second-silent": ("a,b", {"a": OPT_OUT, "b": b"X=1\n"}),
    "list-second-empty-value": ("a,b", {"a": OPT_OUT, "b": b"DISABLE_EVENTS=\n"}),
    "equals-repaired-by-later-file": ("a,b", {"a": b"'A=B'=1\n", "b": b"'A=B'\n"}),
    "bare-in-earlier-file": ("a,b", {"a": b"DISABLE_EVENTS\n", "b": OPT_OUT}),
    "bare-in-both-files": ("a,b", {"a": b"DISABLE_EVENTS\n", "b": b"DISABLE_EVENTS\n"}),
    "bare-between": ("a,b,c", {"a": OPT_OUT, "b": b"DISABLE_EVENTS\n", "c": b"X=1\n"}),
    "link-in-list": ("a,b", {"a": OPT_OUT, "b": Symlink("a.env")}),
    "folder-in-list": ("a,b", {"a": OPT_OUT, "b": Folder()}),
    "list-with-default": ("default,a", {"default": OPT_OUT, "a": OPT_IN}),
    "list-trailing-comma": ("a,", {"a": OPT_IN, "": OPT_OUT}),
    "comma-without-dot-env": (",", {"default": OPT_OUT}),
    "missing": ("missing", {"default": OPT_OUT}),
    "same-twice": ("a,a", {"a": OPT_OUT}),
    "upper-case": ("DEFAULT", {"default": OPT_OUT}),
    "with-suffix": ("default.env", {"default": OPT_OUT}),
    "sub-folder": ("team/ci", {"team/ci": OPT_OUT}),
    "parent-unresolvable": ("nowhere/../a", {"a": OPT_OUT}),
    "home-sign": ("~/x", {"default": OPT_OUT}),
    "variable": ("$PROFILE", {"default": OPT_OUT}),
    "newline": ("a\n,b", {"a": OPT_OUT, "b": b""}),
    "semicolon": ("a;b", {"a": OPT_OUT, "b": OPT_OUT}),
    "broken-and-good": ("a,b", {"a": b"\xff\n", "b": OPT_OUT}),
    "good-and-broken": ("a,b", {"a": OPT_OUT, "b": b"X=\xff\n"}),
    "broken-not-chosen": ("a", {"a": OPT_OUT, "default": b"\xff\n"}),
    "no-break-space": ("\u00a0a\u00a0", {"a": OPT_OUT}),
}

DIRECTORIES: Final[dict[str, tuple[dict[str, str], dict[str, Entry]]]] = {
    "empty-is-work-folder": ({"CONFIG_DIR": ""}, {"work/default.env": OPT_OUT}),
    "unexpanded-home-sign": ({"CONFIG_DIR": "~/.localstack"}, {DEFAULT: OPT_OUT}),
    "folder-for-file": ({}, {DEFAULT: Folder()}),
    "home-relative": ({"HOME": "own"}, {"work/own/.localstack/default.env": OPT_OUT}),
    "link-loop": ({}, {DEFAULT: Symlink("default.env")}),
    "unreadable": ({}, {DEFAULT: Unreadable(OPT_OUT)}),
    "locked": ({}, {"home/.localstack": LockedFolder({"default.env": OPT_OUT})}),
    "blank-name": ({"CONFIG_DIR": " "}, {"work/ /default.env": OPT_OUT}),
    "empty-home": (
        {"HOME": "", "CONFIG_DIR": "{root}/conf"},
        {"conf/default.env": OPT_OUT, DEFAULT: OPT_IN},
    ),
    "empty-with-file-in-home": ({"CONFIG_DIR": ""}, {DEFAULT: OPT_OUT}),
    "relative": ({"CONFIG_DIR": "conf"}, {"work/conf/default.env": OPT_OUT}),
    "relative-parent": ({"CONFIG_DIR": "../conf"}, {"conf/default.env": OPT_OUT}),
    "absolute": ({"CONFIG_DIR": "{root}/conf"}, {"conf/default.env": OPT_OUT, DEFAULT: OPT_IN}),
    "absolute-slash": ({"CONFIG_DIR": "{root}/conf/"}, {"conf/default.env": OPT_OUT}),
    "with-blanks": ({"CONFIG_DIR": "{root}/my conf"}, {"my conf/default.env": OPT_OUT}),
    "padded": ({"CONFIG_DIR": " {root}/conf "}, {"conf/default.env": OPT_OUT}),
    "missing": ({"CONFIG_DIR": "{root}/nowhere"}, {DEFAULT: OPT_OUT}),
    "is-a-file": ({"CONFIG_DIR": "{root}/conf"}, {"conf": OPT_OUT}),
    "is-a-link": (
        {"CONFIG_DIR": "{root}/conf"},
        {"real/default.env": OPT_OUT, "conf": Symlink("{root}/real")},
    ),
    "dot": ({"CONFIG_DIR": "."}, {"work/default.env": OPT_OUT}),
    "accents": ({"CONFIG_DIR": "{root}/d\u00e9j\u00e0"}, {"d\u00e9j\u00e0/default.env": OPT_OUT}),
    "with-profile": (
        {"CONFIG_DIR": "", "CONFIG_PROFILE": ","},
        {"work/.env": OPT_OUT, "work/default.env": OPT_IN},
    ),
    "with-absolute-profile": (
        {"CONFIG_DIR": "{root}/nowhere", "CONFIG_PROFILE": "{root}/a"},
        {"a.env": OPT_OUT},
    ),
    "home-slash": ({"HOME": "{root}/home/"}, {DEFAULT: OPT_OUT}),
    "home-missing": ({"HOME": "{root}/nobody"}, {}),
    "home-with-blanks": ({"HOME": "{root}/my home"}, {"my home/.localstack/default.env": OPT_OUT}),
    "link": ({}, {"dotfiles/ls.env": OPT_OUT, DEFAULT: Symlink("{root}/dotfiles/ls.env")}),
    "link-dangling": ({}, {DEFAULT: Symlink("{root}/gone.env")}),
    "link-of-folder": (
        {},
        {"dotfiles/default.env": OPT_OUT, "home/.localstack": Symlink("{root}/dotfiles")},
    ),
    "profile-folder-is-a-file": ({}, {"home/.localstack": OPT_OUT}),
    "empty-profile-folder": ({}, {"home/.localstack": Folder()}),
    "work-folder-is-not-read": ({}, {"work/default.env": OPT_OUT, "work/.env": OPT_OUT}),
    "config-dir-in-file": ({}, {DEFAULT: b"CONFIG_DIR={root}/conf\n", "conf/default.env": OPT_OUT}),
}


def list_configurations() -> list[Configuration]:
    """List all configurations, each one once, in the same order on every run."""
    return [*_written(), *_mixtures()]


def select_defaults(configurations: list[Configuration]) -> list[Configuration]:
    """Take the first few of each kind: what every run tries."""
    taken: dict[str, list[Configuration]] = {}
    for configuration in configurations:
        taken.setdefault(configuration.kind, []).append(configuration)
    return [one for kind in taken.values() for one in kind[:DEFAULT_PER_KIND]]


def _written() -> Iterator[Configuration]:
    for name, (env, profile) in ENVIRONMENTS.items():
        found = {} if profile is None else {DEFAULT: profile}
        yield Configuration("environment", name, env, found)
    for name, value in VALUES.items():
        yield Configuration("value", name, {"DISABLE_EVENTS": value})
    for kind, contents in (("line", LINES), ("content", CONTENTS)):
        for name, content in contents.items():
            yield Configuration(kind, name, {}, {DEFAULT: content})
    for name, (env, content) in INTERPOLATIONS.items():
        yield Configuration("interpolation", name, env, {DEFAULT: content})
    for name, (choice, files) in CHOICES.items():
        paths = {f"{PROFILES}{profile}.env": entry for profile, entry in files.items()}
        yield Configuration("profile", name, {"CONFIG_PROFILE": choice}, paths)
    for name, (env, files) in DIRECTORIES.items():
        yield Configuration("folder", name, env, files)


def _mixtures() -> Iterator[Configuration]:
    """Draw combinations of everything above; two with the same content do not occur."""
    draw = random.Random(SEED)  # noqa: S311 - the same tests on every machine, not a secret
    seen: set[tuple[object, ...]] = set()
    while len(seen) < MIXED_COUNT:
        env = _draw_env(draw)
        folder = {"": "work/", "{root}/conf": "conf/"}.get(env.get("CONFIG_DIR", "-"), PROFILES)
        files = {
            f"{folder}{profile}.env": _draw_content(draw)
            for profile in ("default", "a", "b", "")
            if draw.random() < FILE_LIKELIHOOD
        }
        key = (*sorted(env.items()), *sorted(files.items()))
        if key not in seen:
            seen.add(key)
            yield Configuration("mixed", f"{len(seen):03}", env, files)


def _draw_env(draw: random.Random) -> dict[str, str]:
    """Choose each variable with some likelihood, and a value for it."""
    choices = {
        "DISABLE_EVENTS": (0.25, ["", "1", "0", "yes", " true ", "TRUE"]),
        "LOCALSTACK_DISABLE_EVENTS": (0.3, ["1", "0", "", "true"]),
        "CONFIG_PROFILE": (0.7, ["a", "b", "a,b", "b,a", " b , a ", "default", ",a", "c,default"]),
        "CONFIG_DIR": (0.4, ["", "{root}/conf", "../home/.localstack", "{root}/home/.localstack/"]),
        "X": (0.4, ["1", "0", "true"]),
    }
    return {
        name: draw.choice(values)
        for name, (likelihood, values) in choices.items()
        if draw.random() < likelihood
    }


def _draw_content(draw: random.Random) -> bytes:
    """Put some lines together, with one kind of line end."""
    lines = [
        *(LINES[name].rstrip(b"\n") for name in LINES if not name.startswith(("key-", "dup"))),
        *(line.rstrip(b"\n") for _, line in INTERPOLATIONS.values()),
        *(b"# comment", b"", b"X=1", b"X=0", b"Y='two\nlines'", b"DEBUG=0", b"DISABLE_EVENTS=true"),
    ]
    newline = draw.choice([b"\n", b"\n", b"\r\n"])
    chosen = draw.choices(lines, k=draw.randint(1, 4))
    return draw.choice([b"", b"", b"\xef\xbb\xbf"]) + newline.join(chosen) + newline
