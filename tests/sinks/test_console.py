"""The console: text for people, lines for programs, and a quiet end when the reader has had enough."""

import fcntl
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from listener import messages
from listener.base.text_width import cells
from listener.errors import OutputClosed, SinkError
from listener.sinks.console import Console, ConsoleConfig
from tests.sinks.messages import HELLO, event


def console(stream: io.BufferedIOBase, json: bool = False) -> Console:
    sink = Console(ConsoleConfig(json=json), HELLO, stream)  # type: ignore[arg-type]
    sink.open()
    return sink


def test_a_person_reads_one_line_at_the_start_and_one_at_the_end() -> None:
    out = io.BytesIO()
    sink = console(out)
    sink.emit(event())
    sink.emit(event(phase="update", seq=1))
    sink.emit(event(phase="end", seq=2, end_s=15.7))
    start, end = out.getvalue().decode().splitlines()
    assert start.split() == ["12.5", "s", "dog_bark", "0.93", "kitchen"]
    assert end.split() == ["15.7", "s", "dog_bark", "ended", "after", "3.2", "s,", "peak", "0.97", "kitchen"]


def test_an_event_that_is_first_told_while_it_goes_on_has_its_line_too() -> None:
    out = io.BytesIO()
    sink = console(out)
    for seq in (7, 8):
        sink.emit(event(phase="update", seq=seq))
    (line,) = out.getvalue().decode().splitlines()
    assert line.split() == ["12.5", "s", "dog_bark", "0.93", "kitchen"]


def test_names_of_wide_characters_take_as_many_columns() -> None:
    out = io.BytesIO()
    sink = console(out)
    sink.emit(event(label="dog_bark"))
    sink.emit(event(label="犬の声"))
    plain, wide = out.getvalue().decode().splitlines()
    assert cells(plain.partition("0.93")[0]) == cells(wide.partition("0.93")[0])


def test_with_json_every_phase_is_a_line() -> None:
    out = io.BytesIO()
    sink = console(out, json=True)
    phases = [event(phase=phase, seq=seq) for seq, phase in enumerate(("start", "update", "end"))]
    for said in phases:
        sink.emit(said)
    assert [messages.decode(line) for line in out.getvalue().splitlines()] == phases


def test_a_reader_that_has_gone_is_an_end_of_its_own_kind() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stream, pytest.raises(OutputClosed):
        console(stream).emit(event())


def test_a_reader_that_is_slow_on_a_pipe_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as stream:
        sink = console(stream, json=True)
        line = len(messages.encode(event()))
        full = fcntl.fcntl(stream, fcntl.F_GETPIPE_SZ) // line + 2  # more lines than it holds
        teller = threading.Thread(target=lambda: [sink.emit(event()) for _ in range(full)])
        teller.start()
        assert len(reader.read(full * line)) == full * line
        teller.join(5)
        assert not teller.is_alive()


def test_a_full_disk_is_a_sink_error() -> None:
    with Path("/dev/full").open("wb", buffering=0) as stream, pytest.raises(SinkError, match="No space left"):
        console(stream).emit(event())  # type: ignore[arg-type]


def test_after_head_has_gone_python_ends_without_a_word() -> None:
    program = """
from listener.errors import OutputClosed
from listener.sinks.console import Console, ConsoleConfig
from tests.sinks.messages import HELLO, event
sink = Console(ConsoleConfig(), HELLO)
sink.open()
try:
    while True:
        sink.emit(event())
except OutputClosed:
    pass
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(10)) == (b"", 0)
