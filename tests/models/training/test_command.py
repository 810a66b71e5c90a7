"""A command ends with a status and one line, and Ctrl-C can wait for the end of a step."""

import signal
from pathlib import Path

import pytest

from models.data.recordings import DataError
from models.training.command import command, noted_interrupts


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def refuse() -> None:
    raise DataError("it is not here.")


def test_a_command_that_cannot_be_is_one_line_and_status_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(refuse) == 1
    assert capsys.readouterr().err == "it is not here.\n"


def test_a_disk_that_refuses_is_one_line_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(tmp_path.read_bytes) == 1
    assert capsys.readouterr().err == f"{tmp_path}: cannot be read or written (Is a directory)\n"


def test_ctrl_c_is_one_line_and_the_status_that_shells_give_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(press) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_first_ctrl_c_is_noted_and_the_second_felt() -> None:
    with noted_interrupts() as interrupted:
        before = interrupted()
        press()
        assert (before, interrupted()) == (False, True)
        with pytest.raises(KeyboardInterrupt):
            press()


def test_afterwards_ctrl_c_is_felt_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with noted_interrupts():
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_a_job_that_ctrl_c_is_not_meant_for_does_not_note_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noted_interrupts() as interrupted:
            press()
            assert not interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
