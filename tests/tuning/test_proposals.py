"""What is proposed for a room, from measurements alone: each setting has its reason and its numbers."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from listener.doctor.ambient import AmbientLevel
from listener.pipeline.bundle import LabelRule
from listener.pipeline.gates import GateConfig
from listener.tuning.calibration import Calibration, LabelActivity, calmer, covered_s
from listener.tuning.proposals import Advice, advise
from tests.sinks.messages import event

RULES = {"dog_bark": LabelRule(on=0.8, off=0.4), "smoke_alarm": LabelRule(on=0.9, off=0.4)}
SECONDS = 180


def room(duty: float) -> AmbientLevel:
    frames = np.arange(SECONDS * 50)
    return AmbientLevel(SECONDS, np.full(len(frames), -50, np.float32), frames < duty * len(frames), floor_dbfs=-50)


def calibrate(
    duty: float = 0.05, named: Mapping[str, LabelActivity] | None = None, *calm: float, gate: GateConfig
) -> Calibration:
    """A room with this duty, and with these for the calmer gates, the mildest first."""
    named_s = sum(each.lasted_s for each in (named or {}).values())
    return Calibration(room(duty), dict(named or {}), named_s, tuple(zip(calmer(gate), map(room, calm), strict=False)))


def told(heard: Calibration, gate: GateConfig | None = None, *, kept: tuple[str, ...] = ()) -> Advice:
    return advise(heard, gate or GateConfig(), RULES, names={"dog_bark": "bello"}, alarms={"smoke_alarm"}, kept=kept)


def settings(said: Advice) -> dict[str, float | int | str]:
    return {".".join(proposal.key): proposal.value for proposal in said.proposals}


def test_for_an_ordinary_room_there_is_nothing_to_change() -> None:
    said = told(calibrate(gate=GateConfig()))
    assert said.proposals == ()
    assert said.remarks == ("the gate was open 5 % of 180 s, which is as it should be",)


def test_a_gate_that_is_open_for_nothing_becomes_the_mildest_that_is_not() -> None:
    said = told(calibrate(0.9, None, 0.8, 0.2, 0.1, gate=GateConfig()))
    assert settings(said) == {"gate.rise_db": 15.0}
    assert said.proposals[0].now == 9.0
    assert "open 90 % of 180 s" in said.proposals[0].reason
    assert "with this it is open 20 %" in said.proposals[0].reason


def test_where_none_is_calm_enough_the_calmest_is_taken_if_it_is_worth_it() -> None:
    gate = GateConfig(kind="bands")
    assert settings(told(calibrate(1.0, None, 0.9, 0.7, 0.5, gate=gate), gate)) == {"gate.rise_db": 18.0}
    lively = told(calibrate(1.0, None, 0.9, 0.8, 0.7, gate=gate), gate)
    assert lively.proposals == ()
    assert "the room is lively" in lively.remarks[0]


def test_a_gate_that_is_open_for_what_was_named_did_its_work() -> None:
    said = told(calibrate(0.5, {"rain": LabelActivity(1, 0.95, 80.0)}, 0.1, gate=GateConfig()))
    assert said.proposals == ()
    assert "for 89 % of that something was named" in said.remarks[0]


def test_what_sounds_at_the_same_time_is_counted_once() -> None:
    spans = [(10.0, 20.0), (12.0, 15.0), (18.0, 25.0), (40.0, 41.0)]
    events = [event(number, start_s=begun, end_s=end) for number, (begun, end) in enumerate(spans)]
    assert covered_s(events) == 16.0


def test_an_open_gate_is_what_the_user_wants() -> None:
    gate = GateConfig(kind="open")
    assert told(calibrate(1.0, gate=gate), gate).remarks == ("gate.kind is 'open': there is no gate to tune",)


def test_calmer_gates_never_miss_more_than_they_must() -> None:
    every = [GateConfig(), GateConfig(kind="bands"), GateConfig(kind="webrtc"), GateConfig(vad_mode=3, rise_db=20)]
    assert all(gate.vad_mode <= max(2, each.vad_mode) for each in every for gate in calmer(each))
    assert all(gate.rise_db >= each.rise_db for each in every for gate in calmer(each))
    assert calmer(GateConfig())[0] == GateConfig(rise_db=12.0)


def test_a_label_that_the_room_alone_triggers_gets_a_threshold_over_it_with_a_margin() -> None:
    said = told(calibrate(named={"bello": LabelActivity(3, 0.9, 4.0)}, gate=GateConfig()))
    assert settings(said) == {"labels.dog_bark.on": 0.961}
    assert said.proposals[0].reason == (
        "dog_bark was reported 3 times in 180 s, with a peak of 0.9; if it really sounded: --keep dog_bark"
    )


def test_a_threshold_never_goes_where_nothing_is_ever_reported() -> None:
    said = told(calibrate(named={"bello": LabelActivity(1, 0.99, 4.0)}, gate=GateConfig()))
    assert said.proposals == ()
    assert "set labels.dog_bark.enabled = false" in said.remarks[1]


def test_what_really_sounded_is_kept() -> None:
    said = told(calibrate(named={"bello": LabelActivity(1, 0.9, 4.0)}, gate=GateConfig()), kept=("dog_bark",))
    assert said.proposals == ()
    assert "left as it is, as you asked" in said.remarks[1]


def test_an_alarm_is_never_made_harder_to_hear_and_the_room_was_not_ordinary() -> None:
    said = told(calibrate(named={"smoke_alarm": LabelActivity(1, 0.91, 8.0)}, gate=GateConfig()))
    assert said.proposals == ()
    assert "this was no ordinary room" in said.remarks[1]


def test_of_digital_silence_nothing_is_learnt() -> None:
    heard = calibrate(0.9, None, 0.1, gate=GateConfig())
    said = told(replace(heard, room=replace(heard.room, dead=1.0)))
    assert said.proposals == ()
    assert "only digital silence" in said.remarks[0]


def test_that_little_was_heard_and_that_loud_sounds_were_is_said() -> None:
    heard = calibrate(named={"loud": LabelActivity(2, 0.0, 1.0)}, gate=GateConfig())
    said = told(replace(heard, room=replace(heard.room, seconds=20)))
    assert "raise loud.over_db" in said.remarks[1]
    assert "only 20 s were heard" in said.remarks[2]
