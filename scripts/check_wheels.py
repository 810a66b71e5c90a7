"""Which Pythons and machines the daemon installs on without a compiler: `python -m scripts.check_wheels`.

pip resolves the whole closure for each of them from wheels alone, as it would there, and installs nothing. What
comes out is the table of docs/packaging.md.
"""

import json
import platform
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
LIBCS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
LEFT_OUT = {"all", "pyaudio"}  # PyAudio has no wheel for Linux: it is built where it is installed
SHOWN = ("onnxruntime", "numpy", "soxr", "msgspec")


def main() -> int:
    """Print the table; 1 where a closure cannot be had."""
    wanted = requirements()
    print(f"{len(wanted)} requirements, resolved by pip for Linux on {platform.machine()}\n")
    print("| Python | machine | wheels | " + " | ".join(SHOWN) + " |")
    print("| --- | --- | --- | " + " | ".join("---" for _ in SHOWN) + " |")
    failed = 0
    for python in PYTHONS:
        for machine in MACHINES:
            closure = resolve(wanted, python, machine)
            failed += not closure
            versions = " | ".join(closure.get(name, "") for name in SHOWN)
            print(f"| {python} | {machine} | {len(closure) or 'not to be had'} | {versions} |", flush=True)
    return 1 if failed else 0


def requirements() -> list[str]:
    """What the daemon needs with all its extras, but for those that have to be compiled."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(need for name in extras.keys() - LEFT_OUT for need in extras[name])]


def resolve(wanted: list[str], python: str, machine: str) -> dict[str, str]:
    """Name -> version of the closure; empty, with pip's words on stderr, where there is none."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    command += ["--only-binary=:all:", "--python-version", python, *platforms(machine), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip(), file=sys.stderr)
        return {}
    report: dict[str, Any] = json.loads(done.stdout)
    return {item["metadata"]["name"]: item["metadata"]["version"] for item in report["install"]}


def platforms(machine: str) -> Iterator[str]:
    """Flags of pip for a Linux with glibc 2.28 or newer."""
    for libc in LIBCS:
        yield from ("--platform", f"{libc}_{machine}")


if __name__ == "__main__":
    sys.exit(main())
