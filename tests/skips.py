"""A pytest plugin: in CI a test may be skipped only for a reason that is listed here."""

import os
import re

import pytest

# What a machine may lack or have by design. A program that `make test` installs is not such a thing.
EXPECTED = (
    r"the real recordings \(\.\./shared/data\) are not here",
    r"this machine has a sound card",
    r"(this machine has|there is) CUDA",
    r"only root can",
    r"root may write everywhere",
    r"not root",
    r"mounted here",
    r"systemd",
    r"no address but loopback",
)
unexpected: list[str] = []


def is_expected(reason: str) -> bool:
    """Whether a test may be skipped for this reason in CI."""
    return any(re.search(pattern, reason) for pattern in EXPECTED)


def pytest_report_teststatus(report: pytest.TestReport) -> None:
    """Collect the skips. xdist repeats the workers' reports here, in the controller."""
    if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not is_expected(reason) and (line := f"{report.nodeid}: {reason}") not in unexpected:
            unexpected.append(line)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in CI that skipped something unexpectedly."""
    if unexpected and os.environ.get("CI") and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the unexpected skips."""
    if unexpected:
        terminalreporter.section("skipped unexpectedly" + (" (an error in CI)" if os.environ.get("CI") else ""))
        for line in unexpected:
            terminalreporter.line(line)
