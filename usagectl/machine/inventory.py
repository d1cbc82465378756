"""The programs and packages on this machine, found by listing folders; nothing is run.

Each folder is listed once, however many names lead to it. What is missing, unreadable or no
folder holds nothing. Folders are texts here, not paths: there can be hundreds.
"""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from usagectl.machine.environment import Environment

_INFO = (".dist-info", ".egg-info")
_EXTENSIONS = ".COM;.EXE;.BAT;.CMD"
"""What Windows tries where PATHEXT is not set."""

_LONGEST_VERSION = 64


class Folder(Value):
    """A folder, and the names in it; those of programs on Windows without their extension."""

    path: str
    names: frozenset[str]


class Distribution(Value):
    """A Python distribution, as its metadata folder is called."""

    name: str  # Normalised (PEP 503).
    version: str | None  # None where what stands there is no version.
    folder: str  # The `site-packages` that it lies in.


class Inventory(Value):
    """All that was listed, first what a command typed here would reach first."""

    commands: tuple[Folder, ...] = ()
    node_modules: tuple[Folder, ...] = ()
    distributions: Mapping[str, Sequence[str]] = MappingProxyType(
        {}
    )  # Metadata, by normalised name.
    extensions: tuple[str, ...] = ("",)  # What a program's file name may end with.

    def programs(self, names: frozenset[str]) -> Iterator[str]:
        """Yield the files of programs that go by one of the names."""
        for folder in self.commands:
            for name in sorted(names & folder.names):
                files = (os.path.join(folder.path, name + end) for end in self.extensions)  # noqa: PTH118
                yield from filter(_is_program, files)

    def packages(self, names: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield the npm packages of these names, each with its folder."""
        firsts = frozenset(name.partition("/")[0] for name in names)
        for folder in self.node_modules:
            here = firsts & folder.names
            for name in sorted(names) if here else ():
                package = f"{folder.path}/{name}"
                if name.partition("/")[0] in here and os.path.isfile(f"{package}/package.json"):  # noqa: PTH113
                    yield name, package


def take(environment: Environment) -> Inventory:
    """List the folders in which programs and packages lie; runs nothing, and never raises."""
    is_windows = environment.system == "Windows"
    bin_name = "Scripts" if is_windows else "bin"
    above = [str(each) for each in (environment.cwd, *environment.cwd.parents)]
    path, active, tools = _path(environment), _active(environment), list(_tools(environment))
    prefixes = [*active, *map(os.path.dirname, path), *_user_prefix(environment), *tools]
    extensions = _extensions(environment) if is_windows else ("",)
    bins = [
        *(f"{each}/node_modules/.bin" for each in above),
        *(f"{each}/{bin_name}" for each in active),
        *path,
        *(f"{each}/{bin_name}" for each in tools),
    ]
    modules = [
        *(f"{each}/node_modules" for each in above),
        *(f"{each}/node_modules" if is_windows else f"{each}/lib/node_modules" for each in path),
        *(f"{os.path.dirname(each)}/lib/node_modules" for each in path),  # noqa: PTH120
        *_pnpm(environment),
    ]
    return Inventory(
        commands=tuple(_without_extensions(each, extensions) for each in _listed(bins)),
        node_modules=tuple(_listed(modules)),
        distributions=distributions_in(prefixes),
        extensions=extensions,
    )


def distributions_in(prefixes: Iterable[str]) -> dict[str, list[str]]:
    """Map the distributions of Python installations and environments to their metadata."""
    found: dict[str, list[str]] = {}
    for folder in _listed(each for prefix in prefixes for each in _package_folders(prefix)):
        for name in folder.names:
            if name.endswith(_INFO):
                found.setdefault(normalized(name.partition("-")[0]), []).append(
                    f"{folder.path}/{name}"
                )
    return found


def distribution(metadata: str) -> Distribution:
    """Read the name of a metadata folder: `name-1.0.dist-info`, `name-1.0-py3.11.egg-info`."""
    folder, _, info = metadata.rpartition("/")
    name, _, rest = info.rpartition(".")[0].partition("-")
    return Distribution(normalized(name), plausible_version(rest.partition("-py")[0]), folder)


def normalized(name: str) -> str:
    """Return the name of a distribution as indexes compare it (PEP 503)."""
    plain = name.lower().replace("_", "-").replace(".", "-")
    while "--" in plain:
        plain = plain.replace("--", "-")
    return plain


def plausible_version(text: object) -> str | None:
    """Return what a package says is its version, if it can be one."""
    if not isinstance(text, str) or len(text) > _LONGEST_VERSION:
        return None
    is_plain = text[:1].isdigit() and text.isascii() and text.isprintable() and " " not in text
    return text if is_plain else None


def _is_program(file: str) -> bool:
    return os.path.isfile(file) and os.access(file, os.X_OK)  # noqa: PTH113


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  (a list of texts is what is wanted)
    except (OSError, ValueError):
        return []


def _listed(folders: Iterable[str]) -> Iterator[Folder]:
    """List folders, each once: `/bin` may be `/usr/bin`, and a PATH may repeat itself."""
    seen: set[tuple[int, int]] = set()
    for folder in folders:
        try:
            found = os.stat(folder)  # noqa: PTH116
        except (OSError, ValueError):
            continue
        if (key := (found.st_dev, found.st_ino)) not in seen:
            seen.add(key)
            yield Folder(folder, frozenset(_names_in(folder)))


def _path(environment: Environment) -> list[str]:
    """Return the folders of PATH, absolute; an empty one is the working folder."""
    text = environment.variables.get("PATH", "")
    named = dict.fromkeys(text.split(os.pathsep)) if text else ()
    return [os.path.normpath(os.path.join(environment.cwd, each)) for each in named]  # noqa: PTH118


def _active(environment: Environment) -> list[str]:
    named = (environment.variables.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX"))
    return [os.path.join(environment.cwd, each) for each in named if each]  # noqa: PTH118


def _tools(environment: Environment) -> Iterator[str]:
    """Yield the environments that pipx and uv keep, one for each tool."""
    home = environment.home
    variables = environment.variables
    named = [f"{each}/venvs" for each in [variables.get("PIPX_HOME")] if each]
    named += [each for each in [variables.get("UV_TOOL_DIR")] if each]
    below = (".local/share/pipx/venvs", ".local/pipx/venvs", "pipx/venvs", ".local/share/uv/tools")
    named += [f"{home}/{each}" for each in below] if home else []
    if data := variables.get("XDG_DATA_HOME"):
        named += [f"{data}/pipx/venvs", f"{data}/uv/tools"]
    if roaming := variables.get("APPDATA"):
        named.append(f"{roaming}/uv/tools")
    for folder in _listed(os.path.join(environment.cwd, each) for each in named):  # noqa: PTH118
        yield from (f"{folder.path}/{name}" for name in sorted(folder.names))


def _user_prefix(environment: Environment) -> list[str]:
    return [f"{environment.home}/.local"] if environment.home else []


def _pnpm(environment: Environment) -> Iterator[str]:
    if home := environment.variables.get("PNPM_HOME"):
        layouts = f"{home}/global"
        yield from (f"{layouts}/{each}/node_modules" for each in sorted(_names_in(layouts)))


def _package_folders(prefix: str) -> Iterator[str]:
    """Yield where a Python below this prefix looks for packages, Debian's folders too."""
    for lib in (f"{prefix}/lib", f"{prefix}/local/lib"):
        for name in sorted(_names_in(lib), reverse=True):
            if name.startswith(("python", "pypy")):
                yield f"{lib}/{name}/site-packages"
                yield f"{lib}/{name}/dist-packages"
    yield f"{prefix}/Lib/site-packages"


def _extensions(environment: Environment) -> tuple[str, ...]:
    return tuple(environment.variables.get("PATHEXT", _EXTENSIONS).lower().split(";"))


def _without_extensions(folder: Folder, extensions: tuple[str, ...]) -> Folder:
    """Drop the extensions of Windows' programs, and what is no program there."""
    if extensions == ("",):
        return folder
    parts = (os.path.splitext(name) for name in folder.names)  # noqa: PTH122
    return folder._replace(
        names=frozenset(stem for stem, end in parts if end.lower() in extensions)
    )
