"""`listen` gives a program the same events that the command line prints, and leaves no thread behind."""

import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import listener
from listener import listen
from listener.errors import ConfigError, ListenerError, SourceError
from listener.messages import Event
from listener.pipeline.bundle import ASSETS
from listener.pipeline.values import Floats
from tests.fakes import noise, pcm
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000


def bangs(*starts_s: float, total_s: float) -> Floats:
    """A quiet room with a second of hiss at each of these moments."""
    samples = noise(total_s, -70)
    for start_s in starts_s:
        begin = round(start_s * RATE)
        samples[begin : begin + RATE] += noise(1, -12, seed=1)
    return samples


TWO = bangs(3, 8, total_s=12)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "two.wav"
    soundfile.write(path, TWO, RATE, subtype="PCM_16")
    return path


@pytest.fixture
def config(tiny_folder: Path, tmp_path: Path) -> Path:
    """A configuration with the tiny model, and a sink that would leave a trace if it ran."""
    path = tmp_path / "config.toml"
    labels = "[labels]\nhiss = {on = 0.3, off = 0.2}\nhum = {enabled = false}\nnothing = {enabled = false}\n"
    sink = f'[[sink]]\nkind = "log"\npath = "{tmp_path}/trace"\n'
    path.write_text(f'[model]\nbundle = "{tiny_folder}"\n{labels}{sink}')
    return path


def live(config: Path, recording: Path, **settings: object) -> Path:
    """The configuration, hearing a recording."""
    lines = "\n".join(f"{key} = {str(value).lower()}" for key, value in settings.items())
    with config.open("a") as file:
        file.write(f'[[source]]\nkind = "file"\nname = "hall"\npath = "{recording}"\n{lines}\n')
    return config


def told(events: list[Event]) -> list[tuple[str, float, float | None, float]]:
    return [(event.label, event.start_s, event.end_s, event.peak) for event in events]


def no_thread_is_left() -> bool:
    ours = ("listen", "capture", "sink")
    return not [thread for thread in threading.enumerate() if thread.name.startswith(ours)]


def test_a_recording_gives_its_events_whole(recording: Path, config: Path) -> None:
    first, second = listen(recording, config=config)
    assert (first.label, first.phase, first.seq, first.source) == ("hiss", None, 0, str(recording))
    assert (first.start_s, second.start_s) == pytest.approx((3, 8), abs=0.1)
    assert first.end_s == pytest.approx(4, abs=0.5)


def test_events_come_while_the_recording_is_being_read(config: Path, tmp_path: Path) -> None:
    """An hour is not read before its first event is told: the rest of the file may even be cut off meanwhile."""
    path = tmp_path / "long.wav"
    soundfile.write(path, bangs(3, total_s=120), RATE, subtype="PCM_16")
    with closing(listen(path, config=config)) as events:
        assert next(events).start_s == pytest.approx(3, abs=0.1)
        os.truncate(path, 0)


@pytest.mark.parametrize(
    "samples",
    [
        TWO,
        TWO.astype(np.float64),
        pcm(TWO),
        TWO[:, None],
        np.stack([TWO, TWO], axis=1),
        np.stack([pcm(TWO), pcm(TWO)], axis=1),
        TWO.tolist(),
        np.repeat(TWO, 2)[::2],
    ],
    ids=["float32", "float64", "int16", "one channel", "stereo", "stereo int16", "list", "strided"],
)
def test_samples_give_the_events_of_the_recording(samples: Any, recording: Path, config: Path) -> None:
    heard = list(listen(samples, RATE, config=config))
    assert told(heard) == told(list(listen(recording, config=config)))
    assert {event.source for event in heard} == {"samples"}


def test_half_precision_at_full_scale_does_not_wrap_round(config: Path) -> None:
    square = np.sign(TWO).astype(np.float16)
    assert next(listen(square, RATE, config=config)).level_dbfs == pytest.approx(0, abs=0.1)


def test_samples_of_another_rate_keep_their_times(config: Path) -> None:
    events = list(listen(np.repeat(TWO, 3), rate=3 * RATE, config=config))
    assert [event.start_s for event in events] == pytest.approx([3, 8], abs=0.1)


def test_asked_for_it_gives_every_line(recording: Path, config: Path) -> None:
    lines = list(listen(recording, config=config, whole=False))
    assert [line.phase for line in lines if line.phase != "update"] == ["start", "end", "start", "end"]


def test_overrides_are_laid_over_the_configuration(recording: Path, config: Path) -> None:
    heard = listen(recording, config=config, overrides=["loud.enabled=true", "labels.hiss.name=steam"])
    assert {event.label for event in heard} == {"loud", "steam"}


@pytest.mark.parametrize(
    ("audio", "rate", "code"),
    [
        ("/nowhere/x.wav", None, "file-unreadable"),
        ("/dev/null", None, "source-empty"),
        (__file__, None, "source-format"),
        ("x.wav", 16_000, "api-rate-unexpected"),
        (None, 16_000, "api-rate-unexpected"),
        (TWO, None, "api-rate-missing"),
        (TWO, 0, "api-rate-invalid"),
        (TWO, -16_000, "api-rate-invalid"),
        (TWO, 22_050.5, "api-rate-invalid"),
        (TWO, float("nan"), "api-rate-invalid"),
        (TWO, 10**9, "api-rate-invalid"),
        (np.zeros(0), RATE, "api-samples-shape"),
        (np.zeros((2, 2, 2)), RATE, "api-samples-shape"),
        (np.float32(1), RATE, "api-samples-shape"),
        (np.zeros((2, 16_000)), RATE, "api-samples-shape"),
        (np.zeros(16_000, np.int32), RATE, "api-samples-type"),
        (np.zeros(16_000, bool), RATE, "api-samples-type"),
        (np.zeros(16_000, complex), RATE, "api-samples-type"),
        (["a"], RATE, "api-samples-type"),
        ([[1.0], [1.0, 2.0]], RATE, "api-samples-type"),
        (np.full(16_000, np.nan), RATE, "api-samples-not-finite"),
        (np.r_[TWO, np.nan], RATE, "api-samples-not-finite"),
        (np.r_[TWO, -np.inf], RATE, "api-samples-not-finite"),
        (pcm(TWO).astype(np.float32), RATE, "api-samples-scale"),
    ],
)
def test_invalid_audio_is_refused_by_the_call(audio: Any, rate: Any, code: str) -> None:
    with pytest.raises(SourceError) as caught:
        listen(audio, rate)
    assert caught.value.code == code


def test_what_is_wrong_with_the_configuration_is_said_by_the_call(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'kind'"):
        listen(TWO, RATE, config=config, overrides=["gate.knd=bands"])
    with pytest.raises(ConfigError, match="path is empty"):
        listen(config=_without_path(config))
    with pytest.raises(ConfigError, match="cannot be read"):
        listen(config=tmp_path / "absent.toml")


def _without_path(config: Path) -> Path:
    with config.open("a") as file:
        file.write('[[source]]\nkind = "file"\n')
    return config


def test_live_it_gives_every_line_as_it_comes_and_runs_no_sink(config: Path, recording: Path, tmp_path: Path) -> None:
    soundfile.write(recording, bangs(0.5, total_s=2), RATE, subtype="PCM_16")
    with closing(listen(config=live(config, recording, realtime=True))) as events:
        start, *_, end = events
    assert (start.phase, start.label, start.source, end.phase) == ("start", "hiss", "hall", "end")
    assert not (tmp_path / "trace").exists()
    assert no_thread_is_left()


def test_a_loop_that_is_left_stops_listening(config: Path, recording: Path) -> None:
    soundfile.write(recording, bangs(0.5, total_s=2), RATE, subtype="PCM_16")
    with closing(listen(config=live(config, recording, realtime=True, loop=True))) as events:
        for event in events:
            assert event.phase == "start"
            break
        assert not no_thread_is_left()
    eventually(no_thread_is_left, "threads end", 2)


def test_whole_events_of_a_live_source_stop_it_too(config: Path, recording: Path) -> None:
    with closing(listen(config=live(config, recording, loop=True), whole=True)) as events:
        assert next(events).phase is None
    eventually(no_thread_is_left, "threads end", 2)


def test_one_that_was_never_begun_opens_nothing(config: Path, recording: Path) -> None:
    before = threading.active_count()
    listen(config=live(config, recording)).close()
    assert threading.active_count() == before


def test_what_goes_wrong_while_it_listens_is_raised_in_the_loop(config: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"absent\.wav cannot be read"):
        list(listen(config=live(config, tmp_path / "absent.wav")))
    assert no_thread_is_left()


def test_the_hosts_service_manager_is_told_nothing(
    config: Path, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that listens is not ready when its microphone is, and not stopping when it has heard enough."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert list(listen(config=live(config, recording)))
        with pytest.raises(BlockingIOError):
            manager.recv(100)


def test_the_package_stays_light_until_it_is_asked_for() -> None:
    code = "import sys, listener; assert listener.__version__; assert 'numpy' not in sys.modules; listener.listen"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    with pytest.raises(AttributeError, match="has no attribute 'lisen'"):
        listener.lisen  # noqa: B018
    assert issubclass(SourceError, ListenerError)


def test_the_examples_of_the_documentation_run(tmp_path: Path) -> None:
    demo, rate = soundfile.read(ASSETS / "demo.ogg", start=0, dtype="float32")
    soundfile.write(tmp_path / "holiday.wav", demo[31 * rate : 42 * rate], rate)
    (tmp_path / "listener").mkdir()
    source = f'[[source]]\nkind = "file"\npath = "{tmp_path}/holiday.wav"\n'
    (tmp_path / "listener" / "config.toml").write_text(source)
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(examples)],
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *_, loudest, live_one = done.stdout.splitlines()
    assert re.fullmatch(r"2\.\d to \d\.\d s: siren, [01]\.\d\d", first)
    assert (loudest, live_one) == ("loudest: siren", "file siren")
