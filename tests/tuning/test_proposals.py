"""Settings are proposed for a room from measurements alone."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from listener.doctor.ambient import AmbientLevel
from listener.pipeline.bundle import LabelRule
from listener.pipeline.gates import GateConfig
from listener.tuning.calibration import Calibration, LabelActivity, covered_s, stricter
from listener.tuning.proposals import Advice, advise
from tests.sinks.messages import event

RULES = {"dog_bark": LabelRule(on=0.8, off=0.4), "smoke_alarm": LabelRule(on=0.9, off=0.4)}
SECONDS = 180
DEFAULT = GateConfig()
OPEN = GateConfig(kind="open")
BANDS = GateConfig(kind="bands")


def room(duty: float) -> AmbientLevel:
    frames = np.arange(SECONDS * 50)
    return AmbientLevel(SECONDS, np.full(len(frames), -50, np.float32), frames < duty * len(frames), floor_dbfs=-50)


def measured(duty: float = 0.05, *others: float, gate: GateConfig = DEFAULT, **named: LabelActivity) -> Calibration:
    """Return a room with this duty of its gate, those of stricter gates, and what was reported."""
    named_s = sum(each.lasted_s for each in named.values())
    gates = zip(stricter(gate), map(room, others), strict=False)
    return Calibration(room(duty), dict(named), named_s, tuple(gates))


def advice(found: Calibration, gate: GateConfig = DEFAULT, kept: tuple[str, ...] = ()) -> Advice:
    return advise(found, gate, RULES, names={"dog_bark": "bello"}, alarms={"smoke_alarm"}, kept=kept)


def settings(result: Advice) -> Mapping[str, float | int | str]:
    return {".".join(proposal.key): proposal.value for proposal in result.proposals}


def codes(result: Advice) -> list[str]:
    return [remark.code for remark in result.remarks]


BELLO = {"bello": LabelActivity(3, 0.9, 4.0)}
SURE = {"bello": LabelActivity(1, 0.99, 4.0)}
ALARM = {"smoke_alarm": LabelActivity(1, 0.91, 8.0)}
RAIN = {"rain": LabelActivity(1, 0.95, 80.0)}
DEAD = replace(measured(0.9, 0.1), room=replace(room(0.9), dead=1.0))
SHORT = replace(measured(loud=LabelActivity(2, 0.0, 1.0)), room=replace(room(0.05), seconds=20))


@pytest.mark.parametrize(
    ("found", "gate", "proposed", "remarks"),
    [
        (measured(), GateConfig(), {}, ["gate-good"]),
        (measured(0.51, 0.3), GateConfig(), {"gate.rise_db": 12.0}, []),
        (measured(0.9, 0.8, 0.2, 0.1), GateConfig(), {"gate.rise_db": 15.0}, []),
        (measured(1.0, 0.9, 0.7, 0.5, gate=BANDS), BANDS, {"gate.rise_db": 18.0}, []),
        (measured(1.0, 0.9, 0.8, 0.7, gate=BANDS), BANDS, {}, ["room-lively"]),
        (measured(0.5, 0.1, **RAIN), GateConfig(), {}, ["gate-right"]),
        (measured(1.0, gate=OPEN), OPEN, {}, ["gate-none"]),
        (measured(**BELLO), GateConfig(), {"labels.dog_bark.on": 0.961}, ["gate-good"]),
        (measured(**SURE), GateConfig(), {}, ["gate-good", "label-sure"]),
        (measured(**ALARM), GateConfig(), {}, ["gate-good", "label-alarm"]),
        (DEAD, GateConfig(), {}, ["silence"]),
        (SHORT, GateConfig(), {}, ["gate-good", "loud", "short"]),
    ],
)
def test_what_is_proposed_follows_from_the_measurements(
    found: Calibration, gate: GateConfig, proposed: dict[str, object], remarks: list[str]
) -> None:
    result = advice(found, gate)
    assert (settings(result), codes(result)) == (proposed, remarks)


@pytest.mark.parametrize("peak", [0.9, 0.95, 0.98, 0.99, 0.999, 1.0])
def test_no_score_is_a_reason_to_switch_a_label_off_or_to_put_it_out_of_reach(peak: float) -> None:
    result = advice(measured(bello=LabelActivity(1, peak, 4.0)))
    assert all(key == "labels.dog_bark.on" and value <= 0.99 for key, value in settings(result).items())
    assert not any("enabled" in str(remark) for remark in result.remarks)


def test_a_proposal_says_what_it_is_based_on() -> None:
    (gate,) = advice(measured(0.9, 0.8, 0.2, 0.1)).proposals
    assert (gate.now, str(gate)) == (9.0, "gate.rise_db = 15")
    assert all(number in gate.reason for number in ("90 %", "180 s", "20 %"))
    (label,) = advice(measured(**BELLO)).proposals
    assert all(number in label.reason for number in ("3 times", "180 s", "0.9", "--keep dog_bark"))


def test_the_threshold_of_a_label_that_really_sounded_is_kept() -> None:
    result = advice(measured(**BELLO), kept=("dog_bark",))
    assert (settings(result), codes(result)) == ({}, ["gate-good", "label-kept"])


def test_what_sounds_at_the_same_time_is_counted_once() -> None:
    spans = [(10.0, 20.0), (12.0, 15.0), (18.0, 25.0), (40.0, 41.0)]
    events = [event(number, start_s=begun, end_s=end) for number, (begun, end) in enumerate(spans)]
    assert covered_s(events) == 16.0


def test_stricter_gates_start_with_the_mildest_change_and_never_use_the_strictest_voice_detector() -> None:
    every = [GateConfig(), BANDS, GateConfig(kind="webrtc"), GateConfig(vad_mode=3, rise_db=20)]
    assert all(gate.vad_mode <= max(2, each.vad_mode) for each in every for gate in stricter(each))
    assert all(gate.rise_db >= each.rise_db for each in every for gate in stricter(each))
    assert stricter(GateConfig())[0] == GateConfig(rise_db=12.0)
    assert stricter(OPEN) == []
