"""Settings to propose, each with its reason and the numbers it rests on. Pure: a survey in, proposals out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, exp, log

from listener.base.text import times
from listener.pipeline.bundle import LabelRule
from listener.pipeline.gates import GateConfig
from listener.pipeline.loudness import LOUD
from listener.tuning.calibration import Calibration, LabelActivity

BUSY = 0.3  # a gate that is open for more of an ordinary room saves little
NAMED = 0.5  # where something was named for so much of that, the gate did its work
WORTH = 0.6  # a calmer gate is worth it where it is open for at most so much of the time before
MARGIN = 1.0  # a threshold goes so far over what the room gave, in log odds: 0.90 becomes 0.96
HIGHEST = 0.99  # over this a label is never reported again, whatever happens
SHORT_S = 45.0
DEAD = 0.5


@dataclass(frozen=True, slots=True)
class Proposal:
    """A setting that would suit the room better."""

    key: tuple[str, ...]  # as ("gate", "rise_db")
    value: float | int | str
    now: float | int | str
    reason: str

    def __str__(self) -> str:
        return f"{'.'.join(self.key)} = {_spelled(self.value)}"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change, and what else there is to say of the room."""

    proposals: tuple[Proposal, ...]
    remarks: tuple[str, ...]


def advise(
    survey: Calibration,
    gate: GateConfig,
    rules: Mapping[str, LabelRule],
    *,
    names: Mapping[str, str],
    alarms: Collection[str],
    kept: Collection[str] = (),
) -> Advice:
    """What to change for a room.

    rules: of the labels that are reported. names: label -> the name it is reported under, where it has one.
    alarms: the labels that are never made harder to hear. kept: those that really sounded, and are left as they are.
    """
    if survey.room.dead > DEAD or not survey.room.seconds:
        return Advice((), ("there was only digital silence, of which nothing can be learnt; see `listener doctor`",))
    said = [*_of_gate(survey, gate)]
    for label, rule in rules.items():
        named = survey.named.get(names.get(label, label))
        if named:
            said += _of_label(label, named, rule, survey.room.seconds, alarm=label in alarms, kept=label in kept)
    said += _of_the_whole(survey)
    proposals = tuple(each for each in said if isinstance(each, Proposal))
    return Advice(proposals, tuple(each for each in said if isinstance(each, str)))


def _of_gate(survey: Calibration, gate: GateConfig) -> Iterator[Proposal | str]:
    room = survey.room
    was = f"the gate was open {_percent(room.duty)} of {room.seconds:.0f} s"
    if gate.kind == "open":
        yield "gate.kind is 'open': there is no gate to tune"
        return
    if room.duty <= BUSY:
        yield f"{was}, which is as it should be"
        return
    share = min(1.0, survey.named_s / (room.duty * room.seconds))
    if share > NAMED:
        yield f"{was}, and for {_percent(share)} of that something was named: it did its work, and is left as it is"
        return
    settings, duty = _calmer(survey)
    if settings is None:
        yield f"{was}, and no calmer one would be open much less: the room is lively, and the gate is left as it is"
        return
    reason = f"{was}, though something was named for {_percent(share)} of that; with this it is open {_percent(duty)}"
    for key in ("kind", "vad_mode", "rise_db"):
        value, now = getattr(settings, key), getattr(gate, key)
        if value != now:
            yield Proposal(("gate", key), value, now, reason)


def _calmer(survey: Calibration) -> tuple[GateConfig | None, float]:
    """The mildest that would do; else the one that opens least, where that is worth it. With its duty."""
    duties = [(settings, room.duty) for settings, room in survey.calmer]
    enough = [(settings, duty) for settings, duty in duties if duty <= BUSY]
    settings, duty = enough[0] if enough else min(duties, key=lambda each: each[1], default=(None, 1.0))
    return (settings, duty) if duty <= WORTH * survey.room.duty else (None, duty)


def _of_label(
    label: str, named: LabelActivity, rule: LabelRule, seconds: float, *, alarm: bool, kept: bool
) -> Iterator[Proposal | str]:
    was = f"{label} was reported {times(named.events)} in {seconds:.0f} s, with a peak of {named.peak:.3g}"
    over = _over(named.peak)
    if alarm:
        yield f"{was}: this was no ordinary room. Its threshold is left as it is; if nothing sounded, please report it"
    elif kept:
        yield f"{was}; it is left as it is, as you asked"
    elif over > HIGHEST:
        yield (
            f"{was}, over which no threshold goes. If it really sounded, all is well; if not, and it comes again, "
            f"set labels.{label}.enabled = false"
        )
    elif over > rule.on:
        yield Proposal(("labels", label, "on"), over, rule.on, f"{was}; if it really sounded: --keep {label}")


def _of_the_whole(survey: Calibration) -> Iterator[str]:
    if LOUD in survey.named:
        count = times(survey.named[LOUD].events)
        yield f"loud sounds were reported {count}; if they should not be, raise loud.over_db"
    if survey.room.seconds < SHORT_S:
        yield f"only {survey.room.seconds:.0f} s were heard; some minutes of an ordinary day say more"


def _over(peak: float) -> float:
    """A score by the margin over a peak, rounded up."""
    odds = log(peak / (1 - peak)) if peak < 1 else 99.0
    return ceil(1000 / (1 + exp(-odds - MARGIN))) / 1000


def _spelled(value: float | int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
