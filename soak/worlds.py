"""Command prefixes that run a daemon in a faulty environment. Raise SkippedError if the machine has no means for it."""

import shutil
import subprocess
from pathlib import Path

from soak.plan import SkippedError

WITHOUT = "-dac_override,-dac_read_search"  # so that permissions apply to root


def mounted(folder: Path, options: str) -> tuple[str, ...]:
    """Mount a memory file system at a folder, for this process only."""
    mounting = f'mount -t tmpfs -o {options} none "{folder}" && exec "$@"'
    return _tried(("unshare", "--mount", "sh", "-c", mounting, "sh"))


def unprivileged() -> tuple[str, ...]:
    """Make permissions apply even to root."""
    return _tried(("setpriv", f"--bounding-set={WITHOUT}", f"--inh-caps={WITHOUT}"))


class Clock:
    """A wall clock that can be stepped. The monotonic clock is untouched, unlike with libfaketime."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise SkippedError("no C compiler on this machine to make a clock that can be stepped")
        library, self._file = folder / "clock.so", folder / "step"
        source = Path(__file__).with_name("stepped_clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        self.step(0)
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_STEP": str(self._file)}

    def step(self, by_s: int) -> None:
        """Set the offset from the true time, in seconds."""
        self._file.write_text(str(by_s))


def _tried(prefix: tuple[str, ...]) -> tuple[str, ...]:
    if shutil.which(prefix[0]) is None:
        raise SkippedError(f"no {prefix[0]} on this machine")
    done = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SkippedError(f"{prefix[0]} is not allowed here: {done.stderr.strip()}")
    return prefix
