"""Kill the daemon at random moments and start it again: socket, spool and history must open."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from listener.sinks.socket.listen import bind_unix
from listener.storage.history import Query, Reader
from listener.storage.spool import Spool
from soak.plan import Plan
from soak.rows import Row
from soak.running import START_S, Running, until
from soak.scenes import with_alarm
from tests.broker import free_port

TIMES = 200
LIFE_S = (0.0, 4.0)
AFTER_IT_LISTENS = 0.75  # share of the kills; the others come at any moment
LAST_S = 3.0
LISTENING = ": listening: "
UNCLEAN = ("is damaged", "Traceback", "cannot be used", "cannot be made", "in use by")


def rows(plan: Plan) -> Iterator[Row]:
    """Yield rows on the starts and on what is left at the end."""
    moments, count = plan.moments(), plan.count(TIMES)
    home, config = plan.scratch / "d", _config(with_alarm(plan.scratch / "scene.wav"))
    listened = ended = 0
    for _ in range(count):
        daemon = Running(home, config)
        if moments.random() < AFTER_IT_LISTENS:
            listened += _listens(daemon)
        time.sleep(moments.uniform(*LIFE_S))
        ended += daemon.process.poll() is not None
        daemon.kill()
    with Running(home, config) as last:
        last_one = _listens(last)
        time.sleep(LAST_S)
    unclean = [line for line in last.said.splitlines() if any(complaint in line for complaint in UNCLEAN)]
    seen = "; ".join([f"{count} kills, {listened} after it listened, {ended} ended by themselves", *unclean[:1]])
    yield Row("kill: each start is clean", "no complaint, no end", seen, last_one and not unclean and not ended)
    yield _history_row(home / "state" / "listener" / "history.db")
    yield _spool_row(home / "state" / "listener")
    with closing(bind_unix(home / "s")):
        yield Row("kill: the socket is free in the end", "it can be taken", "taken", True)


def _listens(daemon: Running) -> bool:
    """Whether the daemon reaches listening. The log contains earlier runs."""
    before = daemon.said.count(LISTENING)
    until(lambda: daemon.said.count(LISTENING) > before or daemon.process.poll() is not None, "it listens", START_S)
    return daemon.process.poll() is None


def _history_row(path: Path) -> Row:
    """Whether the history can be read and has no event that never ends."""
    events = list(Reader(path).rows(Query()))
    stuck = sum(1 for event in events if event.under_way)
    seen = f"{len(events)} events, {stuck} under way"
    return Row("kill: the history", "readable, none under way", seen, bool(events) and not stuck)


def _spool_row(folder: Path) -> Row:
    paths = [path for path in folder.rglob("*.db") if path.name != "history.db"]
    waiting = 0
    for path in paths:
        spool = Spool(path)
        waiting += len(spool.first(1_000_000))
        spool.close()
    aside = [path.name for path in folder.rglob("*.damaged-*")]
    held = waiting > 0 and not aside
    return Row("kill: the spool", "readable, nothing put aside", f"{waiting} lines wait, {len(aside)} put aside", held)


def _config(scene: Path) -> str:
    """A looped recording, a history, and a receiver that never answers."""
    return (
        f'[[source]]\nkind = "file"\nname = "file"\npath = "{scene}"\nloop = true\n'
        f'[[sink]]\nkind = "history"\n[[sink]]\nkind = "webhook"\nurl = "http://127.0.0.1:{free_port()}/"\n'
        "each_phase = true\n"
    )
