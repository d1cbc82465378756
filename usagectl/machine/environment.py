"""The surroundings of a process as one value: variables, home, folders, clock, CI, system.

Everything that differs between two machines enters here, so that no other module
asks the process and no test has to patch it.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.machine import owners, runners
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

CONFIG_DIR_VARIABLE = "USAGECTL_CONFIG_DIR"
STATE_DIR_VARIABLE = "USAGECTL_STATE_DIR"

_CI_VARIABLES = (
    *("CI", "CONTINUOUS_INTEGRATION", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS"),
    *("JENKINS_URL", "BUILDKITE", "TF_BUILD", "BITBUCKET_BUILD_NUMBER", "TEAMCITY_VERSION"),
    *("APPVEYOR", "DRONE", "CODEBUILD_BUILD_ID", "SEMAPHORE"),
)
"""Variables that a CI service sets, non-empty (facts, part 6: lstk's own list)."""

_XDG_DIRS = {
    "user_config_path": ("XDG_CONFIG_HOME", ".config"),
    "user_state_path": ("XDG_STATE_HOME", ".local/state"),
}

_CONTAINER_MARKERS = ("/.dockerenv", "/run/.containerenv")

_SHORTEST_HOME = 4


class Environment(Value):
    """Everything that a process can see of its machine.

    Attributes:
        variables: the environment variables.
        cwd: the working folder, absolute.
        account_home: the home that the account database names; None without one, and
            as long as nobody asked for it.
        config_dir: usagectl's own settings folder, None when there is no home.
        state_dir: usagectl's own state folder, None when there is no home.
        now: the present instant, aware.
        system: `Linux`, `Darwin` or `Windows`.
        release: the kernel's release.
        machine: the processor architecture.
        host_name: read for detection alone; never stored or printed.
        root: what stands for `/` when marker files are looked for.
        entropy: that many random bytes.
        uid: the user's number, None on a system without one.
        test_runner: what shows that a test runner runs this process, a variable or a module
            (`runners.find`); empty outside of tests. Programs record nothing in tests.
    """

    variables: Mapping[str, str]
    cwd: Path
    account_home: Path | None
    config_dir: Path | None
    state_dir: Path | None
    now: Callable[[], datetime]
    system: str = "Linux"
    release: str = ""
    machine: str = ""
    host_name: str = ""
    root: Path = Path("/")
    entropy: Callable[[int], bytes] = os.urandom
    uid: int | None = None
    test_runner: str = ""

    @property
    def home(self) -> Path | None:
        """The home folder as Python's `expanduser` finds it, None without one."""
        name = "USERPROFILE" if self.system == "Windows" else "HOME"
        if name in self.variables:
            return self.cwd / (self.variables[name].rstrip("/") or "/")
        return self.account_home

    def at_root(self, path: str) -> Path:
        """Return an absolute path of this machine, below `root`."""
        return self.root / path.lstrip("/")


def from_process() -> Environment:
    """Take the environment of the running process.

    The account database is asked only where no variable names a home: the C library
    may open a socket for it.
    """
    uname = _uname()
    variables = dict(os.environ)
    found = Environment(
        variables=variables,
        cwd=_cwd(),
        account_home=None if "HOME" in variables else _account_home(),
        config_dir=_own_dir(variables, CONFIG_DIR_VARIABLE, kind="user_config_path"),
        state_dir=_own_dir(variables, STATE_DIR_VARIABLE, kind="user_state_path"),
        system=uname[0],
        release=uname[2],
        machine=uname[4],
        host_name=uname[1],
        now=partial(datetime.now, UTC),
        uid=owners.effective_uid(),
        test_runner=runners.find(variables),
    )
    return _rehearsals[-1](found) if _rehearsals else found


_rehearsals: list[Callable[[Environment], Environment]] = []


@contextmanager
def rehearsed(change: Callable[[Environment], Environment]) -> Iterator[None]:
    """Have `from_process` answer with a change, for the tests of a program that asks it.

    A program's own tests cannot hand an environment to what the program calls.
    """
    _rehearsals.append(change)
    try:
        yield
    finally:
        _rehearsals.pop()


def is_rehearsed() -> bool:
    """True while a test of a program rehearses: nothing is sent and no thread is started."""
    return bool(_rehearsals)


def with_account_home(environment: Environment) -> Environment:
    """Return the same with the account's home, which HOME may hide."""
    if environment.account_home is not None:
        return environment
    return environment._replace(account_home=_account_home())


def homes_of(environment: Environment) -> tuple[str, ...]:
    """List the paths of the user's homes, to be hidden; one at the root would be every path."""
    known = with_account_home(environment)
    homes = {str(home) for home in (known.home, known.account_home) if home is not None}
    return tuple(sorted(home for home in homes if len(home) >= _SHORTEST_HOME))


def is_ci(environment: Environment) -> bool:
    """True if a CI service runs this; `CI=false` and an empty value do not count."""
    values = (environment.variables.get(name, "") for name in _CI_VARIABLES)
    return any(value.strip().lower() not in ("", "0", "false", "no") for value in values)


def is_container(environment: Environment) -> bool:
    """True if this runs inside a container, by the marks that engines leave."""
    if environment.variables.get("KUBERNETES_SERVICE_HOST"):
        return True
    # `Path.exists` raises where a folder may not be entered.
    return any(os.path.exists(environment.at_root(each)) for each in _CONTAINER_MARKERS)  # noqa: PTH110


def _uname() -> Sequence[str]:
    """Read system, host name, release, version and processor, in that order."""
    if hasattr(os, "uname"):
        return os.uname()
    import platform  # Windows alone needs it

    return platform.uname()


def _cwd() -> Path:
    try:
        return Path.cwd()
    except OSError:  # Somebody removed the folder.
        return Path(os.environ.get("PWD", "/"))


def _account_home() -> Path | None:
    if sys.platform == "win32":
        return None
    import pwd  # Windows lacks it

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _own_dir(variables: Mapping[str, str], name: str, *, kind: str) -> Path | None:
    chosen = variables.get(name, "")
    if chosen:
        return _cwd() / chosen
    if plain := _xdg_dir(variables, kind):
        return plain
    import platformdirs  # knows every system

    try:
        found = Path(getattr(platformdirs, kind)("usagectl", appauthor=False))
    except RuntimeError:  # Since 4.14 platformdirs refuses without any home.
        return None
    # Before, it answered "~/.config/...": a folder named "~" is no answer either.
    return found if found.is_absolute() else None


def _xdg_dir(variables: Mapping[str, str], kind: str) -> Path | None:
    """Name the folder on a Linux where XDG's variable or HOME names it plainly; else None.

    It is what platformdirs answers, whose import costs whoever types `status` a fifteenth of
    their time.
    """
    if sys.platform != "linux" or "ANDROID_ROOT" in variables:
        return None
    variable, below = _XDG_DIRS[kind]
    home = variables.get("HOME", "")
    below_home = f"{home.rstrip('/')}/{below}" if home else ""
    base = variables.get(variable) or below_home
    is_plain = base.startswith("/") and base == base.strip()
    return Path(base) / "usagectl" if is_plain else None
