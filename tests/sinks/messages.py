"""Wire messages made up for tests."""

from typing import Any

from listener.messages import Event, Hello, Level, SourceStatus, Status

HELLO = Hello(
    version="0.1.0",
    pid=1,
    model="tiny",
    provider="cpu",
    labels=["dog_bark", "siren", "rain"],
    thresholds={"dog_bark": 0.5, "siren": 0.5, "rain": 0.5},
    groups={},
    sources=["kitchen"],
)


def event(number: int = 0, **changes: Any) -> Event:
    """The start of an event, or what the changes make of it."""
    plain: dict[str, Any] = {
        "id": f"e{number}",
        "seq": 0,
        "phase": "start",
        "label": "dog_bark",
        "score": 0.93,
        "peak": 0.97,
        "start": None,
        "end": None,
        "start_s": 12.5,
        "end_s": None,
        "detected_s": 13.2,
        "source": "kitchen",
        "level_dbfs": -23.0,
        "model": "tiny",
        "top": {"dog_bark": 0.93},
    }
    return Event(**plain | changes)


def level(**changes: Any) -> Level:
    """A meter line."""
    plain: dict[str, Any] = {
        "source": "kitchen",
        "at_s": 20.0,
        "level_dbfs": -30.0,
        "floor_dbfs": -60.0,
        "open": True,
        "top": {"dog_bark": 0.9, "rain": 0.2},
    }
    return Level(**plain | changes)


def status(**changes: Any) -> Status:
    """How a daemon with one source is doing; changes are its source's."""
    plain: dict[str, Any] = {
        "state": "listening",
        "detail": "",
        "heard_s": 3725.0,
        "lost_s": 0.0,
        "gate_duty": 0.12,
        "clips": 42,
        "inference_ms": 4.2,
    }
    return Status(uptime_s=3800.0, cpu=0.02, sources={"kitchen": SourceStatus(**plain | changes)}, sinks={"socket": 0})
