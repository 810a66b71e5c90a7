"""The same scene from a file and from a live microphone: the daemon must be as accurate as `classify`."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import soundfile

from bench import scenes
from bench.listening import Listening, Witness
from bench.microphone import VirtualMicrophone, virtual_microphone
from bench.offline import classified
from bench.plan import Plan
from bench.rows import BenchError, Row
from bench.sounds import metadata_file
from listener import messages
from listener.messages import Event, Level, Message

FIGURES = ("f1", "precision", "recall", "false_alarms_per_hour", "onset_error_s", "end_error_s")
AFTER_S = 12.0  # the longest delay between the end of a sound and of its event
LEVEL_S = 2.0  # time limit for the first level message
LATEST_S = 30.0  # time limit for the player's start
SAME_S = 1.0  # starts closer than this belong to one event
LEAST_SHARED = 0.9  # share of the offline events that must be found live too


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the live figures of a scene, with the offline ones as notes, and the share of common events."""
    scene = scenes.made(plan, metadata_file(plan.shared), plan.sizes.seeds[0], plan.sizes.live_minutes)
    recording = scene.with_suffix(".wav")
    offline = classified(plan, [recording]).events
    with virtual_microphone(plan.scratch) as microphone, Listening(plan, microphone.variables) as listener:
        listener.started_s()
        live, began_s = heard(listener, microphone, recording)
    late_s = lag_s(offline, [json.loads(messages.encode(event)) for event in live], began_s)
    offset_s = began_s + late_s
    written = scene.with_name("live.jsonl")
    written.write_bytes(b"".join(messages.encode(event) for event in live))
    offline_written = scene.with_name("offline.jsonl")
    offline_written.write_text("".join(json.dumps(event) + "\n" for event in offline))
    ours = scenes.scored([scene], [written], offset_s)
    theirs = scenes.scored([scene], [offline_written])
    yield _shared(offline, live, offset_s)
    yield Row("live scene: heard so long after the player's start", late_s, "s")
    for name in FIGURES:
        yield Row(f"live scene: {name}", ours[name], note=f"offline {theirs[name]}")
    for part in ("p50", "p95"):
        after, before = ours["latency_s"][part], theirs["latency_s"][part]
        yield Row(f"live scene: onset to event, {part}", after, "s", note=f"offline {before}")


def heard(listener: Listening, microphone: VirtualMicrophone, recording: Path) -> tuple[list[Event], float]:
    """Return the event lines during playback and the stream second at which the player started."""
    info = soundfile.info(recording)
    events: list[Event] = []
    with Witness(listener.socket, "event", "level") as witness:
        _, level = witness.until(lambda message: isinstance(message, Level), LEVEL_S, "a level")
        assert isinstance(level, Level)
        over_s = level.at_s + info.duration + AFTER_S

        def is_over(message: Message) -> bool:
            if isinstance(message, Event):
                events.append(message)
            return isinstance(message, Level) and message.at_s >= over_s

        with microphone.playing(recording):
            witness.until(is_over, info.duration + 3 * AFTER_S, "the end of the scene")
    return events, level.at_s


def lag_s(offline: list[dict[str, Any]], live: list[dict[str, Any]], began_s: float) -> float:
    """Estimate the delay of the playback after `began_s`: the one that most pairs of starts agree on.

    A busy machine's player starts seconds late, so no guess is made beforehand; chance pairs agree with few others.
    """
    lags: list[float] = sorted(
        there["start_s"] - here["start_s"] - began_s
        for here in offline
        for there in live
        if there["label"] == here["label"] and there["phase"] == "start"
    )
    likely = [lag for lag in lags if -SAME_S < lag < LATEST_S]
    if not likely:
        raise BenchError("nothing that classify names was named live")
    agreeing = [[other for other in likely if abs(other - lag) < SAME_S] for lag in likely]
    most = max(agreeing, key=len)
    return median(most)


def _shared(offline: list[dict[str, Any]], live: list[Event], offset_s: float) -> Row:
    starts = [event for event in live if event.phase == "start"]
    shared = sum(
        any(
            there.label == here["label"] and abs(there.start_s - offset_s - here["start_s"]) < SAME_S
            for there in starts
        )
        for here in offline
    )
    note = f"{shared} of {len(offline)}; {len(starts)} live"
    return Row("live scene: offline events named live too", shared / len(offline), "", LEAST_SHARED, True, note)
