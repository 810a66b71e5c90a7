"""Proposes settings for a room, each with its reason. Pure: measurements in, proposals out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, exp, log

from listener.base.text import times
from listener.pipeline.bundle import LabelRule
from listener.pipeline.gates import GateConfig
from listener.pipeline.loudness import LOUD
from listener.tuning.calibration import Calibration, LabelActivity

BUSY = 0.3  # share of the time; a gate that is open longer in an ordinary room saves little
NAMED = 0.5  # the gate was right if events cover at least this share of the time for which it was open
WORTH = 0.6  # propose a stricter gate only if it cuts the open time to at most this fraction
MARGIN = 1.0  # how far above the highest score a threshold goes, in log odds: 0.90 becomes 0.96
HIGHEST = 0.99  # a label with a higher threshold would hardly ever be reported again
SHORT_S = 45.0
DEAD = 0.5


@dataclass(frozen=True, slots=True)
class Proposal:
    """A setting that suits the room better."""

    key: tuple[str, ...]  # such as ("gate", "rise_db")
    value: float | int | str
    now: float | int | str
    reason: str

    def __str__(self) -> str:
        return f"{'.'.join(self.key)} = {_spelled(self.value)}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know about the room. `code` identifies it for tests."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change, and remarks about the room."""

    proposals: tuple[Proposal, ...]
    remarks: tuple[Remark, ...]


def advise(
    measured: Calibration,
    gate: GateConfig,
    rules: Mapping[str, LabelRule],
    *,
    names: Mapping[str, str],
    alarms: Collection[str],
    kept: Collection[str] = (),
) -> Advice:
    """Propose settings for a room.

    Args:
        measured: What was measured.
        gate: The gate as configured.
        rules: The rule of each label that is reported.
        names: Label -> the name under which it is reported, if it has another one.
        alarms: Labels whose thresholds are never raised.
        kept: Labels that really sounded; their thresholds are not changed.
    """
    if measured.room.dead > DEAD or not measured.room.seconds:
        return Advice((), (Remark("silence", "there was only digital silence; run `listener doctor`"),))
    advice = [*_of_gate(measured, gate)]
    for label, rule in rules.items():
        named = measured.named.get(names.get(label, label))
        if named:
            advice += _of_label(label, named, rule, measured.room.seconds, alarm=label in alarms, kept=label in kept)
    advice += _of_room(measured)
    proposals = tuple(each for each in advice if isinstance(each, Proposal))
    return Advice(proposals, tuple(each for each in advice if isinstance(each, Remark)))


def _of_gate(measured: Calibration, gate: GateConfig) -> Iterator[Proposal | Remark]:
    room = measured.room
    was = f"the gate was open {_percent(room.duty)} of {room.seconds:.0f} s"
    if gate.kind == "open":
        yield Remark("gate-none", 'gate.kind is "open": there is no gate to tune')
        return
    if room.duty <= BUSY:
        yield Remark("gate-good", f"{was}, which is good")
        return
    share = min(1.0, measured.named_s / (room.duty * room.seconds))
    if share > NAMED:
        yield Remark("gate-right", f"{was}, and events cover {_percent(share)} of that: the gate is right")
        return
    settings, duty = _stricter(measured)
    if settings is None:
        yield Remark("room-lively", f"{was}, and a stricter gate would not help: the room is lively")
        return
    reason = f"{was}, but events cover only {_percent(share)} of that; with this it is open {_percent(duty)}"
    for key in ("kind", "vad_mode", "rise_db"):
        value, now = getattr(settings, key), getattr(gate, key)
        if value != now:
            yield Proposal(("gate", key), value, now, reason)


def _stricter(measured: Calibration) -> tuple[GateConfig | None, float]:
    """Return the mildest gate that is good enough, or else the strictest if it is worth it, and its open share."""
    duties = [(settings, room.duty) for settings, room in measured.stricter]
    enough = [(settings, duty) for settings, duty in duties if duty <= BUSY]
    settings, duty = enough[0] if enough else min(duties, key=lambda each: each[1], default=(None, 1.0))
    return (settings, duty) if duty <= WORTH * measured.room.duty else (None, duty)


def _of_label(
    label: str, named: LabelActivity, rule: LabelRule, seconds: float, *, alarm: bool, kept: bool
) -> Iterator[Proposal | Remark]:
    was = f"{label} was reported {times(named.events)} in {seconds:.0f} s, with a highest score of {named.peak:.3g}"
    over = _over(named.peak)
    if alarm:
        text = f"{was}. The threshold of an alarm is never raised. If nothing sounded, please report it."
        yield Remark("label-alarm", text)
    elif kept:
        yield Remark("label-kept", f"{was}. Its threshold is kept, as you asked.")
    elif over > HIGHEST:
        yield Remark("label-sure", f"{was}. With so high a score it most likely was {label}, so its threshold is kept.")
    elif over > rule.on:
        reason = f"{was}; if it really sounded, use --keep {label}"
        yield Proposal(("labels", label, "on"), over, rule.on, reason)


def _of_room(measured: Calibration) -> Iterator[Remark]:
    if LOUD in measured.named:
        count = times(measured.named[LOUD].events)
        yield Remark("loud", f"loud sounds were reported {count}; to report fewer, increase loud.over_db")
    if measured.room.seconds < SHORT_S:
        text = f"{measured.room.seconds:.0f} s is a short time; some minutes of an ordinary day give better advice"
        yield Remark("short", text)


def _over(peak: float) -> float:
    """Return the threshold for a highest score: by the margin above it, rounded up."""
    odds = log(peak / (1 - peak)) if peak < 1 else 99.0
    return ceil(1000 / (1 + exp(-odds - MARGIN))) / 1000


def _spelled(value: float | int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
