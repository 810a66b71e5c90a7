"""The units, run for real by a systemd of the test's own: one boot for all of this file."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from listener.pipeline.bundle import ASSETS
from tests.box import LISTENER, Box
from tests.receiver import Server, answers
from tests.waiting import eventually

CONFIG = "/etc/listener/config.toml"
SOCKET = ""
PATIENCE_S = 60.0
# What a unit says for a machine's years is too slow for a test, and a test starts it too often.
HASTY = """[Unit]
StartLimitIntervalSec=0
[Service]
RestartSec=200ms
WatchdogSec=4
TimeoutAbortSec=2
EnvironmentFile=-/opt/mic/service.env
Environment=LD_LIBRARY_PATH=/opt/python/lib
"""


@pytest.fixture(scope="module")
def siren(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The siren of the demo recording, with the room before it. Made before the box, which sees it."""
    path = tmp_path_factory.mktemp("sound") / "siren.wav"
    samples, rate = soundfile.read(ASSETS / "demo.ogg")
    soundfile.write(path, samples[31 * rate : 43 * rate], rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def box(siren: Path) -> Iterator[Box]:  # noqa: ARG001 - it must be there before
    box = Box()
    box.write("/etc/systemd/system/listener.service.d/test.conf", HASTY)
    box.write(CONFIG, SOCKET)
    install(box)
    yield box
    box.off()


@pytest.fixture(autouse=True)
def stopped(box: Box) -> Iterator[None]:
    """Each test begins without the service."""
    yield
    box("systemctl stop listener; systemctl reset-failed listener", None)


def install(box: Box) -> None:
    """Write the unit that the configuration asks for."""
    box(f"{LISTENER} install-service && systemctl daemon-reload")


def start(box: Box, config: str = SOCKET) -> None:
    """Start the service by a configuration."""
    box.write(CONFIG, config)
    box("systemctl start listener || { systemctl status listener; journalctl -u listener -n 20 -o cat; false; }")


def shown(box: Box, key: str) -> str:
    """What systemd says of the service."""
    return box(f"systemctl show -P {key} listener")


def restarted(box: Box, times: str = "1") -> None:
    """Wait until systemd has started it again."""
    eventually(
        lambda: (shown(box, "NRestarts"), shown(box, "ActiveState")) == (times, "active"), "started again", PATIENCE_S
    )


def journal(box: Box, flags: str = "") -> list[str]:
    """What the service has said since it was last started."""
    box("journalctl --sync")
    return box(
        f"journalctl -u listener -o cat {flags} _SYSTEMD_INVOCATION_ID={shown(box, 'InvocationID')}"
    ).splitlines()


def test_it_is_ready_without_a_microphone_and_says_how_it_does(box: Box) -> None:
    start(box)
    assert shown(box, "ActiveState") == "active"
    eventually(lambda: shown(box, "StatusText") == "microphone: waiting", "its status", PATIENCE_S)
    box("systemctl stop listener")
    assert shown(box, "Result") == "success"


def test_its_warnings_are_warnings_in_the_journal_and_events_are_no_part_of_it(box: Box) -> None:
    start(box)
    eventually(lambda: journal(box, "-p warning"), "a warning", PATIENCE_S)
    (warning,) = journal(box, "-p warning")
    assert warning.startswith("microphone: waiting: there is no input device")
    assert any(line.startswith("model ") for line in journal(box, "-p info"))
    assert not any("model" in line for line in journal(box, "-p warning"))


def test_a_desktop_user_reaches_its_socket_by_the_group_and_nobody_else_does(box: Box) -> None:
    box("groupadd --system --force listener && useradd --create-home -G listener alice && useradd eve")
    start(box)
    assert box(f"runuser -u alice -- {LISTENER} snooze") == "nothing is snoozed"
    assert "is closed to this user" in box(f"runuser -u eve -- {LISTENER} snooze", 1)


def test_a_user_has_a_service_of_their_own(box: Box) -> None:
    box("useradd --create-home bob && systemctl start user@$(id -u bob).service")
    box.write(
        "/opt/as-bob",
        "#!/bin/sh\nexport XDG_RUNTIME_DIR=/run/user/$(id -u bob) HOME=/home/bob LD_LIBRARY_PATH=/opt/python/lib\n"
        'exec runuser -u bob -- "$@"\n',
    )
    box(f"chmod +x /opt/as-bob && /opt/as-bob {LISTENER} install-service --user")
    box("/opt/as-bob systemctl --user set-environment LD_LIBRARY_PATH=/opt/python/lib")
    box("/opt/as-bob systemctl --user daemon-reload && /opt/as-bob systemctl --user start listener")
    assert box(f"/opt/as-bob {LISTENER} snooze") == "nothing is snoozed"
    box("/opt/as-bob systemctl --user stop listener && systemctl stop user@$(id -u bob).service")


def test_a_reload_is_followed_and_a_bad_one_refused(box: Box) -> None:
    start(box)
    before = shown(box, "MainPID")
    box.write(CONFIG, SOCKET + '[labels.dog_bark]\nname = "woof"\n')
    box("systemctl reload listener")
    eventually(lambda: shown(box, "StatusText").endswith("reloaded"), "the reload", PATIENCE_S)
    box(f"{LISTENER} snooze woof 1s")
    box.write(CONFIG, SOCKET + "[gate]\nkind = 'opne'\n")
    box("systemctl reload listener")
    eventually(lambda: "reload refused" in shown(box, "StatusText"), "the refusal", PATIENCE_S)
    assert any(CONFIG in line and "gate.kind" in line for line in journal(box, "-p err"))
    box(f"{LISTENER} snooze woof 1s")
    assert (shown(box, "MainPID"), shown(box, "ActiveState")) == (before, "active")


def test_a_crash_is_followed_by_a_start(box: Box) -> None:
    start(box)
    box("systemctl kill -s KILL listener")
    restarted(box)
    box(f"{LISTENER} snooze")


def test_a_daemon_that_is_stuck_is_started_again_by_the_watchdog(box: Box) -> None:
    start(box)
    box("systemctl kill --kill-whom=main -s STOP listener")
    restarted(box)
    box("journalctl --sync")
    said = box("journalctl -u listener -o cat")
    assert "Fatal Python error: Aborted" in said  # and where each of its threads was
    assert 'listener/daemon/daemon.py"' in said  # the main one, wherever it was after the start


def test_a_wrong_configuration_is_not_tried_again(box: Box) -> None:
    start(box)
    box("systemctl stop listener")
    box.write(CONFIG, "[gate]\nkind = 'opne'\n")
    box("systemctl start listener", 1)
    assert (shown(box, "ActiveState"), shown(box, "ExecMainStatus"), shown(box, "NRestarts")) == ("failed", "2", "0")


def test_a_sound_in_the_microphone_reaches_socket_and_webhook_with_the_token_of_a_credential(
    box: Box, siren: Path
) -> None:
    receiver = Server(answers(200))
    box("command -v pulseaudio || exit 0; VIRTUAL_MIC_DIR=/opt/mic /opt/checkout/tests/virtual_mic.sh start")
    if not box("ls -d /opt/mic", None).startswith("/opt/mic"):
        pytest.skip("no pulseaudio on this machine: nothing to make a virtual microphone of")
    box("sed 's/^export //' /opt/mic/env >/opt/mic/service.env && chmod 755 /opt/mic && chmod 644 /opt/mic/cookie")
    box("printf s3cret >/etc/listener/hook-token && chmod 600 /etc/listener/hook-token")
    box.write(CONFIG, f'{SOCKET}[[sink]]\nkind = "webhook"\nurl = "{receiver.url}"\ntoken_file = "hook-token"\n')
    install(box)
    start(box, box(f"cat {CONFIG}"))
    eventually(lambda: shown(box, "StatusText") == "microphone: listening", "it listens", PATIENCE_S)
    box(f"{LISTENER} tail --json >/opt/mic/heard & echo $! >/opt/mic/tail")
    box(f"VIRTUAL_MIC_DIR=/opt/mic /opt/checkout/tests/virtual_mic.sh play {siren}")
    eventually(lambda: '"end"' in box("cat /opt/mic/heard"), "the end of an event", PATIENCE_S)
    first = json.loads(box("head -1 /opt/mic/heard"))
    box("kill $(cat /opt/mic/tail); VIRTUAL_MIC_DIR=/opt/mic /opt/checkout/tests/virtual_mic.sh stop")
    assert (first["phase"], first["label"]) == ("start", "siren")
    receiver.heard(1)
    _, headers, body = receiver.requests[0]
    assert (headers["authorization"], json.loads(body)["id"]) == ("Bearer s3cret", first["id"])
    receiver.end()
