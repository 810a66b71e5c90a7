"""A full disk, missing permissions, no shared memory, a stepped clock: each is reported, and the rest works on."""

from collections.abc import Callable, Iterator
from pathlib import Path

from soak.microphone import CONFIG, NAME, Microphone, microphone
from soak.plan import Plan, SkippedError, SoakError
from soak.rows import Row
from soak.running import Running, Watcher, until
from soak.scenes import with_alarm
from soak.worlds import Clock, mounted, unprivileged

PATIENCE_S = 90.0  # for an event: the scene has one in fifteen seconds
DAY_S = 86_400
BLOCK = 4096
ROOM = "size=2m"


def rows(plan: Plan) -> Iterator[Row]:
    """Yield a row for each hardship."""
    scene = with_alarm(plan.scratch / "scene.wav")
    for name, hardship in HARDSHIPS.items():
        folder = plan.scratch / name.replace(" ", "-").replace("/", "")
        folder.mkdir()
        try:
            yield hardship(f"hardship: {name}", folder, scene)
        except SkippedError as err:
            yield Row(f"hardship: {name}", "said, and the rest serves", str(err), None)
        except SoakError as err:
            yield Row(f"hardship: {name}", "said, and the rest serves", str(err), False)


def _disk_full(name: str, folder: Path, scene: Path) -> Row:
    """Fill the disk under a daemon that writes a log, a history and a spool, then free it."""
    disk = folder / "disk"
    disk.mkdir()
    with Running(folder, _file_sinks(scene, disk), {"STATE_DIRECTORY": str(disk)}, mounted(disk, ROOM)) as daemon:
        daemon.listens()
        with Watcher(daemon.socket) as watcher:
            _next_event(watcher)
            filler = Path(f"/proc/{daemon.pid}/root{disk}/filler")
            _fill(filler)
            for _ in range(2):
                _next_event(watcher)
            said = _said_of(daemon, str(disk))
            filler.unlink()
            until(
                lambda: "works again" in daemon.said or "can be written again" in daemon.said, "it recovers", PATIENCE_S
            )
    recovered = _said_of(daemon, "again")
    clean = "Traceback" not in daemon.said
    return Row(name, "said, the rest serves, it recovers", f"{said}; {recovered}", bool(said) and clean)


def _read_only(name: str, folder: Path, scene: Path) -> Row:
    disk = folder / "disk"
    disk.mkdir()
    return _unusable(name, folder, _file_sinks(scene, disk), mounted(disk, "ro"), disk)


def _no_permission(name: str, folder: Path, scene: Path) -> Row:
    disk = folder / "disk"
    disk.mkdir(mode=0)
    return _unusable(name, folder, _file_sinks(scene, disk), unprivileged(), disk)


def _unusable(name: str, folder: Path, config: str, prefix: tuple[str, ...], disk: Path) -> Row:
    """If nothing can be written from the start, each sink reports it once, and the socket works."""
    with Running(folder, config, {"STATE_DIRECTORY": str(disk)}, prefix) as daemon:
        daemon.listens()
        with Watcher(daemon.socket) as watcher:
            for _ in range(2):
                _next_event(watcher)
        lines = [line for line in daemon.said.splitlines() if str(disk) in line]
        held = bool(lines) and "Traceback" not in daemon.said
        return Row(name, "said, the rest serves", lines[-1].split(" ", 2)[-1] if lines else daemon.said[-200:], held)


def _no_shared_memory(name: str, folder: Path, scene: Path) -> Row:
    """Run without /dev/shm, which PortAudio's libraries prefer to use."""
    with microphone(folder / "mic") as mic:
        prefix = mounted(Path("/dev/shm"), "ro,mode=555")
        return _heard(name, mic, scene, Running(folder / "d", CONFIG, mic.variables, prefix), lambda: None)


def _clock_stepped(name: str, folder: Path, scene: Path) -> Row:
    """Step the clock a day forward and two back."""
    clock = Clock(folder)
    with microphone(folder / "mic") as mic:
        daemon = Running(folder / "d", CONFIG, mic.variables | clock.variables)
        return _heard(name, mic, scene, daemon, lambda: clock.step(DAY_S), lambda: clock.step(-DAY_S))


def _heard(name: str, mic: Microphone, scene: Path, daemon: Running, *steps: Callable[[], None]) -> Row:
    """After each step a sound becomes an event, and no audio is lost."""
    with daemon:
        daemon.listens()
        with Watcher(daemon.socket) as watcher:
            for step in steps:
                step()
                mic.hear(scene)
                _next_event(watcher)
                until(lambda: not watcher.under_way, "the event ends", PATIENCE_S)
            lost_s = watcher.settled(NAME).lost_s
        seen = f"{watcher.events} lines of events, {lost_s:.1f} s lost, {len(daemon.said.splitlines())} lines of log"
        return Row(name, "events come, nothing is lost", seen, not lost_s and "Traceback" not in daemon.said)


def _next_event(watcher: Watcher) -> None:
    before = watcher.started
    until(lambda: watcher.started > before, "an event on the socket", PATIENCE_S)


def _said_of(daemon: Running, word: str) -> str:
    """The last log line that contains a word, without time and level."""
    lines = [line for line in daemon.said.splitlines() if word in line and " INFO events" not in line]
    return lines[-1].split(" ", 2)[-1] if lines else ""


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    try:
        with path.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(BLOCK))
    except OSError:
        return


def _file_sinks(scene: Path, disk: Path) -> str:
    """A recording in real time, and the sinks that write files."""
    return (
        f'[[source]]\nkind = "file"\nname = "file"\npath = "{scene}"\nloop = true\nrealtime = true\n'
        f'[[sink]]\nkind = "history"\npath = "{disk / "history.db"}"\n'
        f'[[sink]]\nkind = "log"\npath = "{disk / "events.jsonl"}"\n'
        '[[sink]]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\neach_phase = true\n'
    )


HARDSHIPS = {
    "disk full": _disk_full,
    "read-only folder": _read_only,
    "no permission": _no_permission,
    "no /dev/shm": _no_shared_memory,
    "clock stepped": _clock_stepped,
}
