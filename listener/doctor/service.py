"""Whether a daemon runs, how it does, and what systemd knows of it."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from listener.base.text import duration
from listener.base.version import __version__
from listener.client import NoDaemon
from listener.config import Config
from listener.doctor.finding import Finding, Severity
from listener.doctor.running import Running, running
from listener.messages import SourceState, SourceStatus

UNIT = "listener.service"
ASKED = ("LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "NRestarts")
PATIENCE_S = 5.0
SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)


def daemon(config: Config) -> Iterator[Finding]:
    """The daemon at the socket."""
    try:
        found = running(config)
    except NoDaemon as err:
        text, _, remedy = str(err).partition("; start")
        yield Finding("daemon", Severity.NOTE, text, f"start{remedy}")
        return
    yield from judged(found)


def judged(found: Running) -> Iterator[Finding]:
    """How a running daemon does, in words."""
    hello, status = found.hello, found.status
    about = f"listener {hello.version} runs as process {hello.pid} for {duration(status.uptime_s)}"
    yield Finding("daemon", Severity.OK, f"{about}, with {100 * status.cpu:.1f} % of one core")
    if hello.version != __version__:
        text = f"it is of version {hello.version}, installed is {__version__}"
        yield Finding("daemon", Severity.WARNING, text, "restart it: systemctl restart listener")
    for name, source in status.sources.items():
        yield from _source(name, source)
    for name, lost in status.sinks.items():
        if lost:
            text = f"sink {name} has lost {lost} events"
            yield Finding("daemon", Severity.WARNING, text, "its log says why: journalctl -u listener")


def units() -> Iterator[Finding]:
    """What systemd says of the service, the system's and this user's."""
    if not SYSTEMD.is_dir():
        yield Finding("service", Severity.NOTE, "systemd does not run here; no service is looked for")
        return
    known = {"": _shown([]), "--user ": _shown(["--user"])}
    there = {flag: facts for flag, facts in known.items() if facts.get("LoadState") not in (None, "not-found")}
    for flag, facts in there.items():
        yield from unit(facts, flag)
    if not there:
        yield Finding("service", Severity.NOTE, f"there is no unit {UNIT}", "listener install-service makes one")


def unit(facts: Mapping[str, str], flag: str = "") -> Iterator[Finding]:
    """What the properties of a unit say, as `systemctl show` names them; `flag` is "--user " for a user's."""
    whose = "user unit" if flag else "unit"
    active, enabled = facts.get("ActiveState", ""), facts.get("UnitFileState", "")
    log = f"journalctl {flag}-u listener"
    if active == "active":
        yield Finding("service", Severity.OK, f"the {whose} is active")
    elif active == "failed":
        text = f"the {whose} has failed ({facts.get('Result')})"
        yield Finding("service", Severity.PROBLEM, text, f"see {log}; then systemctl {flag}restart listener")
    else:
        yield Finding("service", Severity.NOTE, f"the {whose} is {active}", f"systemctl {flag}start listener")
    if enabled not in ("enabled", "enabled-runtime", "static"):
        text = f"the {whose} is {enabled or 'not enabled'}: it is not started with the machine"
        yield Finding("service", Severity.NOTE, text, f"systemctl {flag}enable listener")
    if (restarts := facts.get("NRestarts", "0")) not in ("", "0"):
        text = f"the {whose} was restarted {restarts} times after failures"
        yield Finding("service", Severity.WARNING, text, f"see {log}")


def _source(name: str, source: SourceStatus) -> Iterator[Finding]:
    if source.state != SourceState.LISTENING:
        yield Finding(
            "daemon", Severity.PROBLEM, f"{name} is {source.state}: {source.detail}", "see `listener devices`"
        )
    elif source.trouble:
        yield Finding("daemon", Severity.WARNING, f"{name}: {source.trouble}")
    else:
        yield Finding(
            "daemon", Severity.OK, f"{name} is listening ({source.detail}), {duration(source.heard_s)} so far"
        )
    if source.lost_s > 1:
        text = f"{name} has lost {source.lost_s:.1f} s of audio since the daemon started"
        yield Finding("daemon", Severity.WARNING, text, "its log says when; is the machine too busy?")


def _shown(flags: list[str]) -> dict[str, str]:
    """The properties of the unit; none where systemctl cannot be asked."""
    command = ["systemctl", *flags, "show", UNIT, f"--property={','.join(ASKED)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
