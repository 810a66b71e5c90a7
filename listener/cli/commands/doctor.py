"""`listener doctor`: what works on this machine, and how to fix what does not."""

import json
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path

import click

from listener.base.version import __version__
from listener.cli import common, options
from listener.doctor import chain
from listener.doctor.finding import Finding, Severity, unfinished
from listener.errors import ConfigError

WIDEST = 110
COLOURS = {Severity.OK: 32, Severity.NOTE: 36, Severity.WARNING: 33, Severity.PROBLEM: 31}  # of ECMA-48


@click.command(epilog="Exit status: 0 all is well, 1 something does not work, 2 a wrong configuration or option.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--seconds",
    default=chain.LISTEN_S,
    show_default=True,
    metavar="N",
    help="How long to listen to the room.",
)
@options.config
def command(as_json: bool, seconds: float, config: Path | None, overrides: Sequence[str]) -> int:
    """Find out what works on this machine, and how to fix what does not."""
    if not (isfinite(seconds) and seconds > 0):
        raise ConfigError(
            f"--seconds {seconds:g}: must be above 0 and finite",
            code="cli-seconds",
            remedy="Write it as --seconds 10.",
        )
    common.silence()
    findings = chain.walk(config, list(overrides), seconds)
    try:
        found = _as_json(findings) if as_json else _printed(findings)
        came_to = status(found)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone
        came_to = 0
    if unfinished():
        os._exit(came_to)  # a thread that the interpreter ends while it is in a C++ library aborts the process
    return came_to


def status(found: Iterable[Finding]) -> int:
    """The exit status for findings."""
    problems = [finding.check for finding in found if finding.level is Severity.PROBLEM]
    return 2 if "configuration" in problems else 1 if problems else 0


def _as_json(findings: Iterable[Finding]) -> list[Finding]:
    found = list(findings)
    listed = [asdict(finding) for finding in found]
    print(json.dumps({"version": __version__, "status": status(found), "findings": listed}, indent=1))
    return found


def _printed(findings: Iterable[Finding]) -> list[Finding]:
    found: list[Finding] = []
    for finding in findings:
        if not found or found[-1].check != finding.check:
            print(finding.check)
        print(_lines(finding), flush=True)
        found.append(finding)
    print(_summary(found))
    return found


def _lines(finding: Finding) -> str:
    width = min(shutil.get_terminal_size((WIDEST, 0)).columns, WIDEST)
    text = textwrap.fill(finding.text, width, initial_indent=" " * 11, subsequent_indent=" " * 11)
    lines = [f"  {_coloured(finding.level)}{text[2 + len(finding.level) :]}"]
    if finding.remedy:
        remedy = textwrap.fill(finding.remedy, width, initial_indent=" " * 11 + "-> ", subsequent_indent=" " * 14)
        lines.append(remedy)
    return "\n".join(lines)


def _coloured(level: Severity) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):  # https://no-color.org
        return level
    return f"\x1b[{COLOURS[level]}m{level}\x1b[0m"


def _summary(found: list[Finding]) -> str:
    count = Counter(finding.level for finding in found)
    words = [f"{level}s: {count[level]}" for level in (Severity.PROBLEM, Severity.WARNING) if count[level]]
    return "\n" + (", ".join(words) or "all is well")
