"""Sinks whose receivers may command: however far one came, it is not told of changes once it is closed."""

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from listener.routing.controls import Controls
from listener.sinks.mqtt.sink import Mqtt, MqttConfig
from listener.sinks.socket.sink import SocketConfig, SocketServer
from listener.tui.display import LiveDisplay
from tests.sinks.messages import HELLO


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda folder: SocketServer(SocketConfig(path=str(folder / "s")), HELLO), id="socket"),
        pytest.param(lambda _: Mqtt(MqttConfig(host="broker.example"), HELLO), id="mqtt"),
        pytest.param(lambda _: LiveDisplay(HELLO), id="display"),
    ],
)
def test_one_that_was_never_opened_is_forgotten_when_it_is_closed(
    make: "Callable[[Path], SocketServer | Mqtt | LiveDisplay]", tmp_path: Path
) -> None:
    controls = Controls(HELLO.labels, {}, HELLO.sources)
    sink = make(tmp_path)
    sink.set_controls(controls)
    sink.close()
    gone = weakref.ref(sink)
    del sink
    gc.collect()
    assert gone() is None
