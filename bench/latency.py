"""Latency from playback into a live microphone to the event line, compared with the same sound offline."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from bench import sounds
from bench.listening import Listening, Witness
from bench.microphone import RATE, VirtualMicrophone, virtual_microphone
from bench.offline import classified
from bench.plan import Plan
from bench.rows import BenchError, Row, SkippedError
from bench.sounds import Recording
from bench.timing import spread
from listener.messages import Event, Message
from listener.pipeline.values import Floats

MOST_MORE_S = 0.3
LABELS = ("dog_bark", "rooster", "siren")
FOLD = "3"
CANDIDATES = 3  # recordings tried offline for each one that is played
SOUND_S = 3.0
LEAD_S = 3.0  # of silence before the sound offline; live there is at least as much
PATIENCE_S = 10.0
SETTLE_S = 30.0


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording cut to its sound: the played file, and the same with silence around it."""

    label: str
    played: Path
    offline: Path
    onset_s: float  # in `played`


@dataclass(frozen=True, slots=True)
class Trial:
    """A sound that is detected offline, and the seconds from its start to the event."""

    sound: Sound
    offline_s: float


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the live latency minus the offline one, and the latency after the onset."""
    trials = heard_offline(plan, [sound for label in LABELS for sound in prepared(plan, label)])
    if not trials:
        raise SkippedError("the model names none of the recordings offline")
    with (
        virtual_microphone(plan.scratch) as microphone,
        Listening(plan, microphone.variables) as listener,
    ):
        listener.started_s()
        with Witness(listener.socket, "event", "level") as witness:
            live = [_live_s(trial, microphone, witness) for trial in trials]
    yield from _rows(trials, live)


def prepared(plan: Plan, label: str) -> list[Sound]:
    """Write the candidates of a label."""
    found = sounds.recordings(plan.shared, label, FOLD)[: CANDIDATES * plan.sizes.plays]
    return [_prepared(recording, plan.scratch / f"{label}-{number}") for number, recording in enumerate(found)]


def heard_offline(plan: Plan, candidates: list[Sound]) -> list[Trial]:
    """The first few of each label that `classify` detects."""
    events = classified(plan, [sound.offline for sound in candidates]).events
    detected = {(event["source"], event["label"]): event["detected_s"] for event in reversed(events)}
    trials = [
        Trial(sound, detected[key] - LEAD_S)
        for sound in candidates
        if (key := (str(sound.offline), sound.label)) in detected
    ]
    by_label = [[trial for trial in trials if trial.sound.label == label] for label in LABELS]
    return [trial for some in by_label for trial in some[: plan.sizes.plays]]


def _prepared(recording: Recording, stem: Path) -> Sound:
    sound, onset_s = sounds.active_part(recording.path, RATE, SOUND_S)
    around: Floats = np.zeros(round(LEAD_S * RATE), np.float32)
    return Sound(
        label=recording.label,
        played=sounds.write(stem.with_suffix(".wav"), sound, RATE),
        offline=sounds.write(stem.with_suffix(".offline.wav"), np.concatenate([around, sound, around]), RATE),
        onset_s=onset_s,
    )


def _live_s(trial: Trial, microphone: VirtualMicrophone, witness: Witness) -> float | None:
    """Seconds from the player's start to the event line, or None if there is none."""

    def wanted(message: Message) -> bool:
        return isinstance(message, Event) and message.phase == "start" and message.label == trial.sound.label

    witness.until_quiet(LEAD_S, SETTLE_S)
    with microphone.playing(trial.sound.played) as began:
        try:
            at, _ = witness.until(wanted, PATIENCE_S, f"a line for {trial.sound.label}")
        except BenchError:
            return None
        witness.until_quiet(LEAD_S, SETTLE_S)
    return at - began


def _rows(trials: list[Trial], live: list[float | None]) -> Iterator[Row]:
    pairs = [(trial, seconds) for trial, seconds in zip(trials, live, strict=True) if seconds is not None]
    if not pairs:
        raise BenchError(f"none of {len(trials)} recordings, all named offline, came out of the socket")
    more = [seconds - trial.offline_s for trial, seconds in pairs]
    onset = [seconds - trial.sound.onset_s for trial, seconds in pairs]
    within = sum(seconds <= MOST_MORE_S for seconds in more)
    # A score near its threshold may pass it clips sooner or later: live, clips and resampler fall otherwise.
    note = f"median of {spread(more)}; {within} of {len(trials)} within the floor, {len(pairs)} named live"
    yield Row("live: playback to line, more than offline", median(more), "s", MOST_MORE_S, note=note)
    yield Row("live: onset to line, median", median(onset), "s", note=f"{spread(onset)}; the player's start included")
