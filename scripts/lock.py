"""Write constraints.txt: the newest versions that the lower bounds of pyproject.toml allow. `make lock` calls it.

pip resolves each purpose on top of the one before, so that the file says which package is there for what.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "constraints.txt"
# Heading -> what pip is asked for in addition.
PURPOSES = {
    "The program": ["."],
    "Its extras": [".[all]"],
    "Tests and checks": ["--group", "test"],
    "Training, evaluation, export, benchmarks": [
        *("--group", "train", "--group", "report", "--group", "export", "--group", "bench")
    ],
    "Documentation": ["--group", "docs"],
}
HEADER = "# Versions that were tested together. Made by `make lock`, from the lower bounds in pyproject.toml."


def main() -> int:
    """Resolve every purpose and write the file."""
    asked: list[str] = []
    seen: dict[str, str] = {}
    lines = [HEADER]
    for purpose, what in PURPOSES.items():
        asked += what
        closure = resolve(asked, seen)
        added = {name: version for name, version in closure.items() if name not in seen}
        lines += ["", f"# {purpose}", *sorted((f"{n}=={v}" for n, v in added.items()), key=str.lower)]
        seen |= closure
    FILE.write_text("\n".join(lines) + "\n")
    return 0


def resolve(asked: list[str], fixed: dict[str, str]) -> dict[str, str]:
    """Return name -> version of everything that pip would install, keeping to versions that are fixed already."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    pins = "\n".join(f"{name}=={version}" for name, version in fixed.items())
    command += ["--constraint", "/dev/stdin", *asked]
    done = subprocess.run(command, input=pins, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    found = {item["metadata"]["name"]: item["metadata"]["version"] for item in report["install"]}
    return {name: version.partition("+")[0] for name, version in found.items() if name != "listener"}


if __name__ == "__main__":
    sys.exit(main())
