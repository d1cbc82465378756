"""An entry of the catalogue as values: detection, files, switches, IDs, endpoints, evidence.

The shapes are those of `schema.json`, which says what each member means.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Outcome = Literal["ignored", "off", "on", "local", "breaks"]
"""What a tool makes of a value; `ignored` leaves the word to the next switch."""

Default = Literal["on", "off", "local", "asks", "unknown"]
"""What a tool does as long as no switch says anything."""

How = Literal["wire", "source", "docs", "memory"]
"""How something was seen: run and counted, read in the source, read of it, or remembered."""

Form = Literal[
    "set",
    "non-empty",
    "equals",
    "one-of",
    "anything-but",
    "first-letter",
    "positive-number",
    "truthy",
    "falsy",
    "later-than",
    "debug-names",
    "missing",
]
FORMS: tuple[str, ...] = get_args(Form)

Format = Literal[
    "json", "toml", "yaml", "ini", "dotenv", "key-value", "xml", "text", "marker", "code"
]
Dialect = Literal["", "strict", "1.2"]
Scope = Literal["user", "machine", "project"]
Condition = Literal["root", "not-root", "container", "not-container", "ci", "not-ci"]


class Match(Value):
    """A test of one value."""

    form: Form
    values: tuple[object, ...] = ()  # What it is compared with.
    case: bool = True  # Whether upper and lower case differ.
    trim: bool = False  # Whether spaces around the value are left out.


class Place(Value):
    """One path at which a file may lie, and when it lies there."""

    path: str  # `~`, `${NAME}` and `${NAME:-default}` are filled in; relative: the project.
    system: tuple[str, ...] = ()  # linux, macos, windows; empty: every one.
    when: tuple[Condition, ...] = ()  # All of them have to hold.
    exists: str = ""  # A path that has to be there for this place to be taken.
    format: Format | None = None  # How the file is written here, where other than elsewhere.
    versions: str = ""  # Releases that look here; empty: every one.
    how: How | None = None  # How it was seen, where other than the entry.


class File(Value):
    """A file that the tool reads."""

    name: str  # By which switches and IDs name it.
    format: Format
    places: tuple[Place, ...]  # The first whose conditions hold is the file.
    scope: Scope = "user"  # Whose it is; a project's is never written unasked.
    search: Literal["here", "up"] = "here"  # Whether the folders above a project count too.
    section: str = ""  # A table before which keys without one stand, as in git's files.
    dialect: Dialect = ""  # JSON without comments, or YAML 1.2; empty: as most tools read it.

    def path_to(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """Return the path to a key; one that is named alone stands in the file's section."""
        return (self.section, *key) if self.section and len(key) == 1 else key


class Need(Value):
    """Something else in the same file that has to hold for a switch to be heeded."""

    key: tuple[str, ...]
    match: Match
    write: object = None  # What to write with the switch where it does not hold.


class SwitchRule(Value):
    """One switch as the tool reads it: a variable, or a key of a file."""

    variables: tuple[str, ...] = ()  # The first that says something is the switch.
    file: str = ""  # The name of a file of the entry.
    key: tuple[str, ...] = ()  # The path to the value in it.
    off: Match | None = None
    on: Match | None = None
    local: Match | None = None
    empty: Outcome | None = None  # What an empty text does, where the tests do not say.
    other: Outcome = "ignored"  # What any other value does.
    broken: Outcome = "ignored"  # What a file does that cannot be parsed.
    write: object = None  # The one safe value for off; None: usagectl never writes it.
    write_on: object = None  # What says on where taking the value out is not enough.
    needs: tuple[Need, ...] = ()
    covers: tuple[str, ...] = ()  # Parts that it silences; empty: all.
    reach: Literal["own", "shared", "ci"] = "own"  # Whose switch it is.
    when: tuple[Condition, ...] = ()
    versions: str = ""
    how: How | None = None
    note: str = ""  # What a person should know of it.

    @property
    def known_values(self) -> tuple[object, ...]:
        """Every value that its tests name: those for off first, then on, then local."""
        tests = (self.off, self.on, self.local)
        return tuple(value for test in tests if test for value in test.values)


class Command(Value):
    """The tool's own command or option that switches it off."""

    run: str
    note: str = ""
    sends: bool = False  # Whether the command itself reports.


class Identity(Value):
    """A machine ID of the tool."""

    made: Literal["random", "derived", "account"]
    text: str  # What it is made of.
    file: str = ""
    key: tuple[str, ...] = ()
    remade: bool = True  # Whether the tool makes a new one when it is gone.
    how: How | None = None


class Endpoint(Value):
    """Where the tool posts to."""

    url: str
    kind: Literal["telemetry", "errors", "update-check", "configuration"] = "telemetry"
    how: How | None = None


class Redirect(Value):
    """The variable that leads the telemetry elsewhere."""

    variable: str
    note: str = ""
    how: How | None = None


class Silent(Value):
    """Releases that send nothing whatever the switches say."""

    versions: str
    text: str


class Remark(Value):
    """A peculiarity of some releases, or what no switch covers."""

    text: str
    versions: str = ""
    hosts: tuple[str, ...] = ()
    how: How | None = None

    @property
    def seen(self) -> str:
        """Where it was seen or read, such as `seen in 4.12.0`; empty where it holds for all."""
        verb = "seen" if self.how == "wire" else "read"
        return f"{verb} in {self.versions.removeprefix('==')}" if self.versions else ""

    @property
    def whole(self) -> str:
        """The remark in one line, with its hosts and the releases that it holds for."""
        marks = "; ".join(filter(None, (", ".join(self.hosts), self.seen)))
        return f"{self.text} [{marks}]" if marks else self.text


class Run(Value):
    """What the tool did under given switches."""

    requests: int | None = None  # To telemetry hosts; None where it was read, not counted.
    sends: bool | None = None  # Whether it sends, where nothing was counted.
    variables: Mapping[str, str] = MappingProxyType({})
    files: Mapping[str, str] = MappingProxyType({})  # Path as in `places`, and content.
    conditions: tuple[Condition, ...] = ()
    consented: bool = False  # Whether the files of the entry's `[consent]` were there too.
    part: str = ""  # The part it was seen of, where others were not looked at.
    breaks: bool = False  # Whether the tool stopped with an error.
    note: str = ""

    @property
    def is_loud(self) -> bool:
        """True if something was sent."""
        return bool(self.sends if self.requests is None else self.requests)


class Evidence(Value):
    """What shows that the entry is true: one version, one day, one way of looking."""

    how: How
    version: str
    date: str  # ISO 8601.
    runs: tuple[Run, ...] = ()


class Verify(Value):
    """The smallest commands that send, for a run that counts."""

    packages: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # By `npm` or `python`.
    needs: tuple[str, ...] = ()
    files: Mapping[str, str] = MappingProxyType({})
    variables: Mapping[str, str] = MappingProxyType({})
    prepare: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()  # See `Entry.silent_commands`.
    seconds: float = 120.0  # The longest that a run may take.
    delay_seconds: float = 1.0  # The longest delay that a dead endpoint may cost.
    note: str = ""


class Detect(Value):
    """What shows that the tool is on this machine."""

    executables: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()  # Packages; the first gives the version.
    python: tuple[str, ...] = ()  # Distributions; the first gives the version.
    traces: tuple[str, ...] = ()  # Names of files that only its use leaves behind.
    minimum: str = ""  # The oldest release that is meant.


class Entry:
    """All that is known of one tool, from its parsed data, which obey the schema.

    A block, such as the switches, is built when it is first asked for: a verdict needs few, and
    most of an entry is evidence.
    """

    name: str
    title: str
    summary: str  # What it sends, in a few words.
    how: How
    version: str  # The release that was looked at.
    date: str  # When, ISO 8601.
    source: str  # Where it was read.
    default: Default
    combine: Literal["first", "any-off"] = "first"
    module: str = ""  # The class in `tools/` that reads its switches, where no form does.
    payload: str = ""  # What it sends, in full as far as known.
    sending: str = ""  # How and when it sends.
    debug: str = ""  # How to have the tool show its events.
    ci: str = ""  # What it does on a CI service.
    proxy: Literal["honoured", "ignored", "unknown"] = "unknown"
    certificates: tuple[str, ...] = ()  # Variables that name certificates it trusts.
    parts: Mapping[str, str] = MappingProxyType({})  # Senders switched apart, and what each is.
    consent: Mapping[str, str] = MappingProxyType({})  # Files of the yes it was seen to send with.
    unverified: tuple[str, ...] = ()  # What is carried from memory or vendor text alone.
    user_agents: tuple[str, ...] = ()  # How the `User-Agent` of its requests begins.
    event_prefix: str = ""  # How its events' names begin.
    opt_out: Mapping[str, str] = MappingProxyType({})  # For a module: what silences every part.
    detect: Detect
    verify: Verify
    files: tuple[File, ...]
    switches: tuple[SwitchRule, ...]  # In the order in which the tool asks them.
    commands: tuple[Command, ...]
    identities: tuple[Identity, ...]
    endpoints: tuple[Endpoint, ...]
    redirects: tuple[Redirect, ...]
    silent: tuple[Silent, ...]
    quirks: tuple[Remark, ...]
    uncovered: tuple[Remark, ...]
    evidence: tuple[Evidence, ...]

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        plain = {name: value for name, value in data.items() if name not in _BLOCKS}
        self.__dict__.update(_frozen(plain))

    def __getattr__(self, member: str) -> Any:  # noqa: ANN401
        """Build a block; Python asks here for what is not there yet."""
        name = _MEMBERS.get(member, "")
        if not name:
            raise AttributeError(member)
        built = _BLOCKS[name][1]
        data = self._data.get(name, ())
        value = built(data or {}) if name in _SINGLE else tuple(built(each) for each in data)
        self.__dict__[member] = value
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def basis(self) -> str:
        """How it was seen, and of which release, such as `wire 16.4.6`; a page has none."""
        return self.how if self.how == "docs" else f"{self.how} {self.version}"

    @property
    def silent_commands(self) -> tuple[str, ...]:
        """The command lines that must never send: help and version, unless it names others."""
        program = next(iter(self.detect.executables), "")
        return self.verify.silent or tuple(f"{program} {each}" for each in ("--help", "--version"))

    def file(self, name: str) -> File:
        """Return a file by its name; raises KeyError without one."""
        return {file.name: file for file in self.files}[name]


_TUPLES = (
    "values",
    "system",
    "when",
    "variables",
    "key",
    "covers",
    "conditions",
    "executables",
    "npm",
    "python",
    "traces",
    "prepare",
    "commands",
    "needs",
    "silent",
    "certificates",
    "unverified",
    "user_agents",
    "hosts",
)


def _plain(kind: type[Any], data: Mapping[str, Any]) -> Any:  # noqa: ANN401
    return kind(**_frozen(data))


def _frozen(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if name in _TUPLES and isinstance(value, list) else value
        for name, value in data.items()
    }


def _match(data: Mapping[str, Any] | None) -> Match | None:
    return None if data is None else _plain(Match, data)


def file_from_data(data: Mapping[str, Any]) -> File:
    """Build a file of an entry from its parsed data."""
    places = tuple(_plain(Place, each) for each in data["places"])
    return _plain(File, {**data, "places": places})  # type: ignore[no-any-return]


def _need(data: Mapping[str, Any]) -> Need:
    return _plain(Need, {**data, "match": _match(data["match"])})  # type: ignore[no-any-return]


def _switch(data: Mapping[str, Any]) -> SwitchRule:
    tests = {name: _match(data.get(name)) for name in ("off", "on", "local")}
    needs = tuple(map(_need, data.get("needs", ())))
    return _plain(SwitchRule, {**data, **tests, "needs": needs})  # type: ignore[no-any-return]


def _evidence(data: Mapping[str, Any]) -> Evidence:
    runs = tuple(_plain(Run, each) for each in data.get("runs", ()))
    return _plain(Evidence, {**data, "runs": runs})  # type: ignore[no-any-return]


def _verify(data: Mapping[str, Any]) -> Verify:
    packages = {name: tuple(each) for name, each in data.get("packages", {}).items()}
    return _plain(Verify, {**data, "packages": packages})  # type: ignore[no-any-return]


_BLOCKS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {
    "file": ("files", file_from_data),
    "switch": ("switches", _switch),
    "command": ("commands", partial(_plain, Command)),
    "id": ("identities", partial(_plain, Identity)),
    "endpoint": ("endpoints", partial(_plain, Endpoint)),
    "redirect": ("redirects", partial(_plain, Redirect)),
    "silent": ("silent", partial(_plain, Silent)),
    "quirk": ("quirks", partial(_plain, Remark)),
    "uncovered": ("uncovered", partial(_plain, Remark)),
    "evidence": ("evidence", _evidence),
    "detect": ("detect", partial(_plain, Detect)),
    "verify": ("verify", _verify),
}
"""The blocks of an entry: the member that holds them, and what builds one."""

_SINGLE = ("detect", "verify")
_MEMBERS = {member: name for name, (member, _) in _BLOCKS.items()}
