"""Any program that writes PCM is a source; it is started again whenever it ends or stalls."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from listener.errors import ConfigError, SourceError
from listener.messages import SourceState
from listener.sources.base import BaseSource
from listener.sources.command import CommandConfig, CommandSource
from tests.sources.conftest import Listening
from tests.sources.streams import ENCODED, noise, wav
from tests.waiting import eventually

Listen = Callable[[BaseSource], Listening]

# Writes 100 ms of the value 1000 for as long as it is let, in real time.
STEADY = "import sys,time\nwhile True: sys.stdout.buffer.write(b'\\xe8\\x03'*1600); sys.stdout.flush(); time.sleep(.1)"
# The same three times, then ends.
BRIEF = STEADY.replace("while True", "for _ in range(3)")
# The same three times, then nothing at all.
STALLING = BRIEF + "\ntime.sleep(100)"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STALLING


def command(script: str, **changes: Any) -> CommandSource:
    return CommandSource(CommandConfig(command=[sys.executable, "-c", script], **changes))


def test_its_samples_are_heard_without_a_gap(listen: Listen) -> None:
    heard = listen(command(STEADY))
    heard.heard()
    assert (heard.audio() == 1000).all()
    assert heard.gaps_s() == []
    assert heard.reports[0] == (SourceState.LISTENING, f"{sys.executable}, 16000 Hz")


def test_one_that_ends_is_started_again_after_a_gap(listen: Listen) -> None:
    heard = listen(command(BRIEF))
    heard.heard()
    heard.recovers()
    assert SourceState.RECOVERING in heard.states
    assert heard.gaps_s()[0] == pytest.approx(0.4, abs=0.3)


def test_one_that_stalls_is_started_again(listen: Listen) -> None:
    heard = listen(command(STALLING, stalled_s=0.5))
    heard.recovers()
    assert (SourceState.RECOVERING, "no audio for 0.5 s") in heard.reports


@pytest.mark.parametrize("script", [STEADY, STALLING, DEAF, "import time; time.sleep(100)"])
def test_close_ends_it_however_it_hangs(script: str, listen: Listen) -> None:
    heard = listen(command(script))
    if script is not None and "write" in script:
        heard.heard(1)
    assert heard.close() < 0.5
    assert heard.error is None


def test_closed_before_it_began_it_gives_nothing() -> None:
    source = command(STEADY)
    source.close()
    source.close()
    assert list(source.blocks(lambda *_: None)) == []


def test_what_its_shell_started_ends_with_it(listen: Listen, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    pipeline = f"sleep 100 & echo $! > {pid}; cat /dev/zero | head -c 100000; sleep 100"
    heard = listen(CommandSource(CommandConfig(command=["sh", "-c", pipeline])))
    heard.heard(1)
    heard.close()
    process = Path(f"/proc/{pid.read_text().strip()}/status")
    eventually(lambda: not process.exists() or "State:\tZ" in process.read_text(), "the grandchild has ended")


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["arecrod"], "program-missing"),
        ([sys.executable, "-c", "import sys; print('no such card', file=sys.stderr); sys.exit(3)"], "source-ended"),
    ],
)
def test_a_program_that_gives_no_audio_at_first_is_an_error(argv: list[str], code: str) -> None:
    with pytest.raises(SourceError) as caught:
        next(CommandSource(CommandConfig(name="garden", command=argv)).blocks(lambda *_: None))
    assert caught.value.code == code
    assert caught.value.message.startswith("garden: ")
    assert argv[0] in caught.value.message
    assert ("no such card" in caught.value.message) == (code == "source-ended")


def writing(content: str, then: str = "") -> str:
    """A script that writes an expression of bytes."""
    return f"import sys,time\nsys.stdout.buffer.write({content}); sys.stdout.flush()\n{then}"


def test_a_wav_is_read_as_its_header_declares(listen: Listen) -> None:
    content = wav(noise(0.2, 2, 48000).tobytes(), 0xFFFFFFFF, channels=2, rate=48000)
    heard = listen(command(writing(repr(content), "time.sleep(100)")))
    heard.heard(1)
    assert (heard.blocks[0].rate, heard.blocks[0].pcm.shape[1]) == (48000, 2)


@pytest.mark.parametrize("name", ["MP3", "AAC (ADTS)", "MPEG transport", "WavPack"])
def test_encoded_audio_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(SourceError) as caught:
        list(command(writing(repr(ENCODED[name] * 20), "time.sleep(100)")).blocks(lambda *_: None))
    assert caught.value.code == "source-encoded"
    assert "ffmpeg" in caught.value.remedy


def test_a_recording_is_played_once_and_whole_if_it_is_not_live() -> None:
    source = command(writing("bytes(32000 * 60)"), live=False)
    assert sum(len(block.pcm) for block in source.blocks(lambda *_: None)) == 16000 * 60
    assert source.can_wait


def test_a_program_that_is_far_ahead_of_the_clock_can_wait(listen: Listen) -> None:
    source = command(writing("bytes(32000 * 8)", "time.sleep(100)"))
    assert not source.can_wait
    listen(source)
    eventually(lambda: source.can_wait, "more than five seconds of audio at once")


def test_a_program_in_real_time_cannot_wait(listen: Listen) -> None:
    source = command(STEADY)
    listen(source).heard(10)
    assert not source.can_wait


def test_one_that_is_waited_for_is_tried_again(listen: Listen) -> None:
    heard = listen(command("raise SystemExit(4)", wait=True))
    eventually(lambda: heard.reports, "a report")
    assert heard.reports[0] == (SourceState.WAITING, f"{sys.executable} ended with status 4")
    assert heard.error is None


def test_one_that_takes_long_to_start_is_said_to_and_still_waited_for(listen: Listen) -> None:
    heard = listen(command("import time; time.sleep(5)\n" + STEADY, wait=True))
    eventually(lambda: heard.reports, "a report", within_s=5)
    assert heard.reports == [(SourceState.WAITING, "no audio for 4 s since it was started")]
    heard.heard()
    assert heard.states == [SourceState.WAITING, SourceState.LISTENING]


def test_delays_grow_while_it_keeps_failing(tmp_path: Path, listen: Listen) -> None:
    starts = tmp_path / "starts"
    listen(CommandSource(CommandConfig(command=["sh", "-c", f"date +%s.%N >> {starts}; exit 1"], wait=True)))
    eventually(lambda: starts.exists() and starts.read_text().count("\n") >= 4, "four starts")
    first, second, third, fourth = map(float, starts.read_text().split()[:4])
    assert fourth - third > third - second > second - first > 0.2


def test_a_chatty_program_does_not_hang_on_its_error_output(listen: Listen) -> None:
    heard = listen(command("import sys\nfor _ in range(20000): print('frame=1 fps=25', file=sys.stderr)\n" + STEADY))
    heard.heard()


def test_samples_are_read_as_declared(listen: Listen) -> None:
    script = "import struct,sys; sys.stdout.buffer.write(struct.pack('<4f', .5, -.5, .25, 9.)); sys.stdout.flush()"
    heard = listen(command(f"{script}\nimport time; time.sleep(100)", format="f32le", channels=2, rate=48000))
    heard.heard(1)
    assert heard.blocks[0].pcm.tolist() == [[16384, -16384], [8192, 32767]]
    assert heard.blocks[0].rate == 48000


def test_gain_makes_it_louder(listen: Listen) -> None:
    heard = listen(command(STEADY, gain_db=20))
    heard.heard(1)
    assert (heard.audio() == 10000).all()


def test_no_command_is_an_error_of_the_configuration() -> None:
    with pytest.raises(ConfigError) as caught:
        CommandSource(CommandConfig())
    assert caught.value.code == "source-command-missing"


def test_times_are_those_of_arrival(listen: Listen) -> None:
    heard = listen(command(STEADY))
    heard.heard(1)
    assert heard.blocks[0].captured_at == pytest.approx(time.time(), abs=1)
    assert heard.blocks[0].pcm.dtype == np.int16


POPPING = "import sys,time\nsys.stdout.buffer.write(b'\\0\\x40'*1600); sys.stdout.flush(); time.sleep(.1)\n" + BRIEF


def test_what_a_device_gives_as_it_is_opened_is_dropped_at_each_start(listen: Listen) -> None:
    source = command(POPPING)
    source._spec = replace(source._spec, settle_s=0.1)
    heard = listen(source)
    heard.recovers()
    assert (heard.audio() == 1000).all()
