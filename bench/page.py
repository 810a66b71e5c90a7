"""Cost and latency of the page in the browser: `python -m bench.page`, a few minutes.

Events and columns are said by a real socket server of ours, so that it is known when; the page's program and the
browser are real. Only the sound card and the screen are left out of «sound to spectrogram».
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench import processes, sounds
from listener.client import Client
from listener.messages import Event, Hello, Level, Spectrum, Status
from listener.sinks.socket.sink import SocketConfig, SocketServer
from listener.storage import history, sqlite

PAGES, TERMINALS = 20, 5
STRETCH_S = 20.0
SETTLE_S = 15.0  # the gate adapts to the room
BLOCK_S = 0.16
MILLION = 1_000_000
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LABELS = [f"label_{number}" for number in range(26)]
HELLO = Hello(
    version="bench",
    pid=os.getpid(),
    model="none",
    provider="cpu",
    labels=LABELS,
    thresholds=dict.fromkeys(LABELS, 0.5),
    groups={},
    sources=["room"],
)


def main() -> None:
    """Print one line per figure."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for part in (cost, views, screen):
        with tempfile.TemporaryDirectory() as folder:
            for name, value, wanted in part(Path(folder)):
                print(f"{name:<52} {value:>16}   {wanted}", flush=True)


def cost(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The added cost of all pages and terminals to a daemon in a quiet room."""
    room = sounds.write(folder / "room.wav", sounds.room_noise(6 * STRETCH_S, 16_000), 16_000)
    config = f'[[source]]\nkind = "file"\nname = "room"\npath = "{room}"\nrealtime = true\n'
    (folder / "config.toml").write_text(f'{config}[[sink]]\nkind = "socket"\npath = "{folder}/s"\n')
    with ended(listener("run", folder, "--plain")) as daemon:
        until((folder / "s").exists)
        time.sleep(SETTLE_S)
        alone = cpu_share(daemon.pid)
        with ended(listener("web", folder, "--address", "127.0.0.1:18788")), ExitStack() as lookers:
            until(lambda: answers("http://127.0.0.1:18788/"))
            for _ in range(PAGES):
                lookers.enter_context(looking(lambda: urllib.request.urlopen("http://127.0.0.1:18788/api/stream")))
            for _ in range(TERMINALS):
                client = Client(f"unix:{folder}/s")
                lookers.callback(client.close)
                threading.Thread(target=drain, args=(client,), daemon=True).start()
            time.sleep(2)
            together = cpu_share(daemon.pid)
            status = next(said for said in Client(f"unix:{folder}/s").receive(["status"]) if isinstance(said, Status))
    yield "daemon alone, of a core", f"{100 * alone:.1f} %", ""
    yield f"{PAGES} pages and {TERMINALS} terminals add", f"{100 * (together - alone):.1f} %", "1 % for one of each"
    yield "audio lost meanwhile", f"{status.sources['room'].lost_s} s", "0"


def views(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The time of each view of a history with a million events."""
    now = time.time()
    remember(folder / "history.db", now)
    config = (
        f'[[sink]]\nkind = "socket"\npath = "{folder}/s"\n[[sink]]\nkind = "history"\npath = "{folder}/history.db"\n'
    )
    (folder / "config.toml").write_text(config)
    month = f"since={now - 28 * 86_400}&until={now}"
    asked = {
        "the latest": "history?",
        "a label that is not there": f"history?label=nothing&{month}",
        "a page in the middle": f"history?before={now - 180 * 86_400},1",
        "a day's marks": f"marks?since={now - 86_400}&until={now}",
        "a week's counts": f"counts?since={now - 7 * 86_400}&until={now}",
        "four weeks' counts": f"counts?{month}",
        "four weeks' counts over a score": f"counts?{month}&min_score=0.9",
    }
    with ended(listener("web", folder, "--address", "127.0.0.1:18788")):
        until(lambda: answers("http://127.0.0.1:18788/"))
        for name, question in asked.items():
            took = []
            for _ in range(5):
                began = time.monotonic()
                urllib.request.urlopen(f"http://127.0.0.1:18788/api/{question}").read()
                took.append(1000 * (time.monotonic() - began))
            yield f"a million events, {name}", f"{median(took):.0f} ms", "200 ms"


def screen(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The latency and the memory growth of a browser."""
    if CHROMIUM is None:
        yield "the page in a browser", "left out", "no chromium here"
        return
    from playwright.sync_api import sync_playwright

    (folder / "config.toml").write_text("")
    socket = SocketServer(SocketConfig(path=f"{folder}/s"), HELLO)
    socket.open()
    flags = ("--address", "127.0.0.1:18788", "--connect", f"unix:{folder}/s")
    with ended(listener("web", folder, *flags)), sync_playwright() as driver:
        until(lambda: answers("http://127.0.0.1:18788/"))
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        weight: list[int] = []
        page.on("response", lambda answer: weight.append(int(answer.headers.get("content-length", 0))))
        page.goto("http://127.0.0.1:18788/")
        until(lambda: socket.wants_spectrum)
        yield "first load", f"{sum(weight) / 1000:.0f} kB", "150 kB"
        yield "event to row, p95", f"{row_ms(page, socket):.0f} ms", "100 ms"
        yield "sound to spectrogram, p95", f"{picture_ms(page, socket):.0f} ms", "300 ms"
        yield "a day's messages add to heap and nodes", grown(page, socket), "no growth"
        browser.close()
    socket.close()


def row_ms(page: Any, socket: SocketServer) -> float:
    """Latency from an event's line on the socket to its row: p95 of sixty."""
    page.evaluate(
        """() => { window.seen = {}; new MutationObserver((changes) => {
            for (const { addedNodes } of changes)
                for (const row of addedNodes) window.seen[row.dataset?.id] ??= Date.now();
        }).observe(document.querySelector("#feed"), { childList: true }); }"""
    )
    said = {}
    for number in range(60):
        said[f"row-{number}"] = 1000 * time.time()
        socket.emit(event(f"row-{number}"))
        time.sleep(0.15)
    until(lambda: page.evaluate("Object.keys(window.seen).length") >= len(said))
    seen = page.evaluate("window.seen")
    late: list[float] = [seen[name] - at for name, at in said.items()]
    return quantiles(late, n=20)[-1]


def picture_ms(page: Any, socket: SocketServer) -> float:
    """Latency from a sound to its spectrogram column: p95 over ten seconds of frames."""
    began, stop = time.time(), threading.Event()

    def speak() -> None:
        for number in count(1):
            if stop.wait(max(0.0, began + number * BLOCK_S - time.time())):
                return
            socket.on_spectrum(spectrum(number))

    speaker = threading.Thread(target=speak)
    speaker.start()
    time.sleep(4)
    late: list[float] = page.evaluate(
        """async (began) => {
            const { panes } = await import("/page/live.js");
            const graph = panes.get("room").graph, late = [], until = performance.now() + 10000;
            while (performance.now() < until) {
                const now = await new Promise(requestAnimationFrame);
                late.push(Date.now() - began - 1000 * graph.shown_s(now));
            }
            return late;
        }""",
        1000 * began,
    )
    stop.set()
    speaker.join()
    return quantiles(late, n=20)[-1]


def grown(page: Any, socket: SocketServer) -> str:
    """The memory growth of a page after the events, levels and columns of a busy day."""
    session = page.context.new_cdp_session(page)

    def held() -> tuple[float, int]:
        session.send("HeapProfiler.collectGarbage")
        counters = session.send("Memory.getDOMCounters")
        return page.evaluate("performance.memory.usedJSHeapSize / 1e6"), counters["nodes"]

    def busy(events: range) -> None:
        for number in events:
            socket.emit(event(f"day-{number}"))
            socket.on_spectrum(spectrum(1000 + number))
            socket.on_level(level(number))
            if number % 20 == 0:
                time.sleep(0.05)
        until(lambda: page.query_selector(f"#feed li[data-id=day-{events[-1]}]") is not None)

    session.send("Performance.enable")
    busy(range(500))
    before = held()
    busy(range(500, 5500))
    after = held()
    return f"{after[0] - before[0]:+.1f} MB, {after[1] - before[1]:+d}"


def event(name: str) -> Event:
    times: dict[str, Any] = {"start": None, "end": None, "start_s": 1.0, "end_s": 2.0, "detected_s": 1.5}
    what: dict[str, Any] = {"label": "label_0", "score": 0.9, "peak": 0.9, "level_dbfs": -30.0, "source": "room"}
    return Event(id=name, seq=0, phase="end", model="none", top={}, **times, **what)


def level(number: int) -> Level:
    top = dict.fromkeys(LABELS[:5], 0.1)
    return Level(source="room", at_s=float(number), level_dbfs=-50.0, floor_dbfs=-60.0, open=False, top=top)


def spectrum(number: int) -> Spectrum:
    """The columns of a block."""
    shown: dict[str, Any] = {"column_s": 0.016, "low_db": -70.0, "high_db": 20.0, "mels": 64}
    return Spectrum(source="room", at_s=round(number * BLOCK_S, 3), columns=bytes(640), **shown)


def remember(path: Path, now: float) -> None:
    """Write a million events over a year."""
    dice = random.Random(1)
    connection = sqlite.connect(path, history.SCHEMA, history.VERSION, shrinks=True)
    what = ("room", "none", -40.0, None, None, 1.0, 3.0, 0.5, 0)
    rows = (
        (str(n), now - 365 * 86_400 * (1 - n / MILLION), dice.choice(LABELS), 0.5 + 0.5 * dice.random(), *what)
        for n in range(MILLION)
    )
    with connection:
        columns = 'id, at, label, peak, source, model, level_dbfs, start, "end", start_s, end_s, detected_s, under_way'
        connection.executemany(f"INSERT INTO events ({columns}) VALUES (?{', ?' * 12})", rows)
    connection.close()


def listener(command: str, folder: Path, *flags: str) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "listener", command, "--config", f"{folder}/config.toml", *flags]
    return subprocess.Popen(argv, env=processes.environment(), stderr=subprocess.DEVNULL)


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> "Iterator[subprocess.Popen[bytes]]":
    """A process that is stopped when the block ends."""
    with process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def looking(ask: Any) -> Iterator[None]:
    """A reader of the page's stream, until the block ends."""
    stop = threading.Event()

    def read() -> None:
        with ask() as answer:
            while not stop.is_set() and answer.readline():
                pass

    threading.Thread(target=read, daemon=True).start()
    yield
    stop.set()


def drain(client: Client) -> None:
    """A client that does what `listener watch` does."""
    for _ in client.receive(["event", "level", "status", "spectrum"]):
        pass


def cpu_share(pid: int) -> float:
    """The share of a core that a process uses."""
    before, began = processes.cpu_s(pid), time.monotonic()
    time.sleep(STRETCH_S)
    return (processes.cpu_s(pid) - before) / (time.monotonic() - began)


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url).read()
    except OSError:
        return False
    return True


def until(condition: Any, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {within_s:g} s; is something of an earlier run still there?")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
