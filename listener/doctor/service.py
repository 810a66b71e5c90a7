"""Checks of the running daemon, and of its systemd unit."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from listener.base.text import duration
from listener.base.version import __version__
from listener.client import NoDaemon
from listener.config import Config
from listener.doctor.finding import Finding, Severity, from_error
from listener.doctor.running import Running, running
from listener.messages import SourceState, SourceStatus

UNIT = "listener.service"
PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "NRestarts")
SYSTEMCTL_S = 5.0
SYSTEMD = Path("/run/systemd/system")  # exists if systemd is running: sd_booted(3)


def daemon(config: Config) -> Iterator[Finding]:
    """Check the daemon at the socket."""
    try:
        found = running(config)
    except NoDaemon as err:
        yield from_error("daemon", err, Severity.NOTE)
        return
    yield from judged(found)


def judged(found: Running) -> Iterator[Finding]:
    """Judge what a running daemon reports."""
    hello, status = found.hello, found.status
    about = f"listener {hello.version} has been running for {duration(status.uptime_s)} as process {hello.pid}"
    text = f"{about} and uses {100 * status.cpu:.1f} % of one core"
    yield Finding("daemon", Severity.OK, "daemon-running", text)
    if hello.version != __version__:
        text = f"the running version is {hello.version}, the installed one {__version__}"
        remedy = "Restart it: systemctl restart listener"
        yield Finding("daemon", Severity.WARNING, "daemon-outdated", text, remedy)
    for name, source in status.sources.items():
        yield from _source(name, source)
    for name, lost in status.sinks.items():
        if lost:
            remedy = "See its log for the reason: journalctl -u listener"
            yield Finding(
                "daemon", Severity.WARNING, "daemon-events-lost", f"sink {name} has lost {lost} events", remedy
            )


def units() -> Iterator[Finding]:
    """Check the unit of the system and the one of this user."""
    if not SYSTEMD.is_dir():
        yield Finding("service", Severity.NOTE, "systemd-absent", "systemd is not running here")
        return
    known = {"": _properties([]), "--user ": _properties(["--user"])}
    there = {flag: facts for flag, facts in known.items() if facts.get("LoadState") not in (None, "not-found")}
    for flag, facts in there.items():
        yield from unit(facts, flag)
    if not there:
        text, remedy = f"the unit {UNIT} is not installed", "To install it, run: listener install-service"
        yield Finding("service", Severity.NOTE, "unit-absent", text, remedy)


def unit(facts: Mapping[str, str], flag: str = "") -> Iterator[Finding]:
    """Judge the properties of a unit.

    Args:
        facts: Properties by name, as `systemctl show` prints them.
        flag: "--user " for the unit of a user.
    """
    name = "user unit" if flag else "unit"
    active, enabled = facts.get("ActiveState", ""), facts.get("UnitFileState", "")
    log = f"journalctl {flag}-u listener"
    if active == "active":
        yield Finding("service", Severity.OK, "unit-active", f"the {name} is active")
    elif active == "failed":
        remedy = f"See {log}, then run: systemctl {flag}restart listener"
        text = f"the {name} has failed ({facts.get('Result')})"
        yield Finding("service", Severity.PROBLEM, "unit-failed", text, remedy)
    else:
        remedy = f"To start it, run: systemctl {flag}start listener"
        yield Finding("service", Severity.NOTE, "unit-inactive", f"the {name} is {active}", remedy)
    if enabled not in ("enabled", "enabled-runtime", "static"):
        text = f"the {name} does not start with the machine ({enabled or 'not enabled'})"
        remedy = f"To enable it, run: systemctl {flag}enable listener"
        yield Finding("service", Severity.NOTE, "unit-disabled", text, remedy)
    if (restarts := facts.get("NRestarts", "0")) not in ("", "0"):
        text = f"the {name} was restarted {restarts} times after failures"
        yield Finding("service", Severity.WARNING, "unit-restarted", text, f"See {log}")


def _source(name: str, source: SourceStatus) -> Iterator[Finding]:
    if source.state != SourceState.LISTENING:
        text = f"{name} is {source.state}: {source.detail}"
        yield Finding("daemon", Severity.PROBLEM, "daemon-source-away", text, "See `listener devices`.")
    elif source.trouble:
        yield Finding("daemon", Severity.WARNING, "daemon-source-trouble", f"{name}: {source.trouble}")
    else:
        text = f"{name} is listening ({source.detail}), {duration(source.heard_s)} so far"
        yield Finding("daemon", Severity.OK, "daemon-source-listening", text)
    if source.lost_s > 1:
        text = f"{name} has lost {source.lost_s:.1f} s of audio since the daemon started"
        remedy = "See its log for the times, and check whether the machine is too busy."
        yield Finding("daemon", Severity.WARNING, "daemon-audio-lost", text, remedy)


def _properties(flags: list[str]) -> dict[str, str]:
    """Ask systemctl for the properties of the unit; none if it does not answer."""
    command = ["systemctl", *flags, "show", UNIT, f"--property={','.join(PROPERTIES)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
