"""What `status` says of the container with DOCKER_FLAGS, against what LocalStack hands to it."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.machine import Machine
from usagectl import consent

from .support import Client, Sandbox

pytestmark = pytest.mark.e2e

PLAIN: Final = "DISABLE_EVENTS"
PREFIXED: Final = "LOCALSTACK_DISABLE_EVENTS"
LINES: Final = 600
FILES: Final = {
    "off.env": f"{PLAIN}=1\n",
    "on.env": f"# a comment\n\n  {PLAIN}=0  \n",
    "prefixed.env": f"X=1\n{PREFIXED}=true\n{PREFIXED}x=0\n",
    "bare.env": f"{PLAIN}\n{PREFIXED}\n",
    "spaced name.env": f"{PLAIN} = 1\r\n{PREFIXED}=\r\n",
    "quoted.env": f'export {PLAIN}="1" # c\n{PLAIN}2=0\n',
    "taken.env": f"{PLAIN}\n",
}
VALUES: Final = ("1", "0", "true", "", "yes", " 1 ", "FALSE")
OTHERS: Final = (
    *("--privileged", "-p 4510:4510", "-v /a:/b", "--network=n", "--net n", "-u root", "-uroot"),
    *("--add-host h:1.2.3.4", "--dns 1.1.1.1", "-l a=b", "--platform linux/amd64", "--help"),
    *("--ulimit nofile=1:2", f"-l {PLAIN}=1", f"-v {PLAIN}=0:/x", f'-l "-e {PLAIN}=0"'),
    *("-e X=1", f"-e X{PLAIN}=1", f"-e {PLAIN.lower()}=1", "--env Y", "-h", "--priv"),
)

ORACLE: Final = """
import json, os, sys
from localstack import config
from localstack.utils.bootstrap import ContainerConfigurators
from localstack.utils.container_utils.container_client import ContainerConfiguration, Util

def handed(variables):
    os.environ.clear()
    os.environ.update(base | variables)
    container = ContainerConfiguration(image_name="x")
    try:
        ContainerConfigurators.config_env_vars(container)
        flags = os.environ.get("DOCKER_FLAGS", "").strip()
        found = Util.parse_additional_flags(flags, env_vars=container.env_vars).env_vars
    except Exception as error:
        return {"stops": repr(error)}
    return {name: found.get(name) for name in ("DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS")}

base = dict(os.environ)
with open("cases.json") as file:
    answers = [handed(variables) for variables in json.load(file)]
print(json.dumps(answers))
"""


def assignment(choose: random.Random) -> str:
    """Spell one `-e`, as a person or a script may."""
    name, value = choose.choice((PLAIN, PLAIN, PREFIXED)), choose.choice(VALUES)
    text = choose.choice((f"{name}={value}", f"{name}={value}", name, f"{name}=={value}"))
    quote = choose.choice("'\"") if " " in text else choose.choice(("", "'", '"'))
    spelling = choose.choice(("-e {}", "-e{}", "-e={}", "--env {}", "--env={}"))
    return spelling.format(f"{quote}{text}{quote}")


def file_option(choose: random.Random) -> str:
    """Spell one file, of either kind; argparse takes the beginning of an option's name."""
    spelling = choose.choice(
        ("--env-file {}", "--env-file={}", "--env-f {}", "--compose-env-file {}", "--comp={}")
    )
    return spelling.format(f"'{choose.choice(list(FILES))}'")


def flag_line(choose: random.Random) -> str:
    """Write one DOCKER_FLAGS."""
    makers = (assignment, assignment, file_option, file_option, lambda c: c.choice(OTHERS))
    words = [choose.choice(makers)(choose) for _ in range(choose.randint(1, 4))]
    return choose.choice((" ", "  ", "\t", "\n")).join(words)


def cases() -> list[dict[str, str]]:
    """Generate the variables of each case; always the same ones."""
    choose = random.Random(13)  # noqa: S311
    found = []
    for _ in range(LINES):
        variables = {"DOCKER_FLAGS": flag_line(choose)}
        for name in (PLAIN, PREFIXED):
            if choose.random() < 0.4:
                variables[name] = choose.choice(VALUES)
        found.append(variables)
    return found


def reads_off(handed: Mapping[str, str | None]) -> bool:
    """Say what the container makes of what it got: its entrypoint lets the prefixed name win."""
    prefixed = handed[PREFIXED]
    value = handed[PLAIN] if prefixed is None else prefixed
    return (value or "").lower().strip() in ("1", "true")


def test_the_container_gets_what_status_reads(client: Client, tmp_path: Path) -> None:
    """Every line that the client's parser takes leads to the container's own verdict."""
    sandbox, machine = Sandbox(tmp_path / "real"), Machine(tmp_path / "read")
    for name, text in FILES.items():
        sandbox.write(f"work/{name}", text.encode())
    tried = cases()
    (sandbox.work_dir / "cases.json").write_text(json.dumps(tried))
    answers = client.evaluate(ORACLE, sandbox, {})
    path = str(client.bin_dir)
    wrong, taken = [], 0
    for variables, handed in zip(tried, answers, strict=True):
        if "stops" in handed:
            continue
        taken += 1
        environment = machine.environment(
            variables={"HOME": str(machine.home), "PATH": path, **variables},
            cwd=sandbox.work_dir,
        )
        container = consent.evaluate(environment, ["localstack"])[1]
        if (container.telemetry == "off") != reads_off(handed):
            wrong.append((variables, handed, container.decided_by))
    assert wrong == []
    assert taken >= 500, answers
