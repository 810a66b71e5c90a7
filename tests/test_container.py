"""The container's files fit each other, the command line and the wheel; docs/docker.md says what else was checked."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from listener.cli import main
from scripts.check_wheels import LEFT_OUT

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
BUILD, _, RUNTIME = DOCKERFILE.partition(" AS alsa\n")


@pytest.mark.parametrize("instruction", ["HEALTHCHECK .* CMD", "CMD"])
def test_it_runs_commands_that_there_are(instruction: str) -> None:
    found = re.search(rf"^{instruction} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found
    command = [word for word in json.loads(found[1]) if word != "listener"]
    with main.group.make_context("listener", command) as ctx:
        assert main.group.resolve_command(ctx, command)[1]


def test_its_folders_belong_to_its_user() -> None:
    numbers = set(re.findall(r"--uid (\d+)|^USER (\d+)$|^ +- /run/listener:uid=(\d+)", _both(), re.MULTILINE))
    assert {number for found in numbers for number in found if number} == {"0", "990"}  # 0: while it installs


def test_all_that_the_wheel_is_made_of_reaches_the_build() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = [*wheel["packages"], *wheel["shared-data"], "pyproject.toml", "constraints.txt", "README.md", "LICENSE"]
    copied = [word for line in re.findall(r"^COPY (.*) \S+$", BUILD, re.MULTILINE) for word in line.split()]
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for listed in (copied, let_in):
        assert [path for path in wanted if not any(Path(path).is_relative_to(each) for each in listed)] == []


@pytest.mark.parametrize("recipe", ["Dockerfile", "packaging/debian/build.sh"])
def test_where_there_is_no_pip_every_extra_that_has_wheels_is_there(recipe: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = re.search(r"\[([a-z,]+)\]\"", (ROOT / recipe).read_text())
    assert found
    assert set(found[1].split(",")) == extras.keys() - LEFT_OUT


def test_the_runtime_stage_gets_no_compiler_and_keeps_no_package_lists() -> None:
    assert not re.search(r"gcc|build-essential|-dev\b", RUNTIME)
    assert RUNTIME.count("apt-get update") == RUNTIME.count("rm -rf /var/lib/apt/lists/*")


@pytest.mark.parametrize("name", ["compose.yaml", "compose.desktop.yaml"])
def test_it_may_do_nothing_that_it_need_not(name: str) -> None:
    text = (ROOT / name).read_text()
    for line in ("read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]'):
        assert f"\n    {line}\n" in text
    assert "privileged: true" not in text


def _both() -> str:
    return DOCKERFILE + (ROOT / "compose.yaml").read_text()
