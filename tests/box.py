"""A systemd of a test's own (see systemd_box.sh), with this very checkout installed where a service can run it."""

import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

SCRIPT = Path(__file__).parent / "systemd_box.sh"
ROOT = Path(__file__).resolve().parents[1]
NO_BOX = 125
DONE = "\x01"  # before the exit status of a command, in what the box prints
LISTENER = "/opt/listener/bin/listener"

# Interpreter, libraries and checkout may lie in a home, which a service does not see: mounted, they lie in /opt.
# An interpreter may look for its own library where it was built: it is told where that lies now.
INSTALL = f"""
export LD_LIBRARY_PATH=/opt/python/lib
mkdir -p /opt/python /opt/checkout /opt/site /etc/listener
mount --bind {shlex.quote(sys.base_prefix)} /opt/python
mount --bind {shlex.quote(str(ROOT))} /opt/checkout
mount --bind {shlex.quote(str(Path(msgspec.__file__).parents[1]))} /opt/site
/opt/python/bin/python3 -m venv --without-pip /opt/listener
printf '/opt/checkout\\n/opt/site\\n' >"$(echo /opt/listener/lib/python3*/site-packages)/listener.pth"
printf '#!/opt/listener/bin/python3\\nfrom listener.cli.main import main\\nraise SystemExit(main())\\n' >{LISTENER}
chmod +x {LISTENER}
"""


class Box:
    """A booted box with a shell of root in it."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            [SCRIPT, "bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if not self._answers():
            assert self._shell.stderr
            why = self._shell.stderr.read().strip().splitlines()
            assert self._shell.wait() == NO_BOX, why
            pytest.skip(why[-1])
        self(INSTALL)

    def __call__(self, command: str, status: int | None = 0) -> str:
        """Run a command of the shell; what it printed. Fails where it ends with another status; None: with any."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null 2>&1; printf '\\n{DONE}%d\\n' $?\n")
        self._shell.stdin.flush()
        printed: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(DONE):
                ended = int(line[1:])
                said = "".join(printed).rstrip("\n")
                assert status in (None, ended), f"{command!r} ended with {ended}: {said}"
                return said
            printed.append(line)
        raise AssertionError(f"the box ended during {command!r}")

    def write(self, path: str, text: str) -> None:
        """Make a file in it."""
        self(f"mkdir -p {Path(path).parent} && printf %s {shlex.quote(text)} >{path}")

    def off(self) -> None:
        """Switch it off."""
        assert self._shell.stdin
        self._shell.stdin.close()
        self._shell.wait(60)

    def _answers(self) -> bool:
        assert self._shell.stdin
        assert self._shell.stdout
        try:
            self._shell.stdin.write("echo there\n")
            self._shell.stdin.flush()
        except BrokenPipeError:
            return False
        return self._shell.stdout.readline() == "there\n"
