"""How scores of the shipped model's labels become events, and which labels belong together.

Holds and shortest lengths are chosen from what the sounds are; `models.calibrate` fits the thresholds.
"""

from collections.abc import Sequence

from listener.pipeline.bundle import LabelRule

GROUPS = {
    "alarm": ("smoke_alarm", "co_alarm"),
    "people": ("baby_cry", "children_playing", "sneeze", "speech"),
    "animals": ("dog_bark", "rooster"),
    "home": ("doorbell", "telephone_ring", "appliance_beep", "clock_tick", "air_conditioner", "fire_crackling"),
    "street": ("car_horn", "engine_idling", "siren", "street_music", "helicopter", "gun_shot"),
    "nature": ("rain", "sea_waves"),
    "tools": ("chainsaw", "drilling", "jackhammer"),
    "music": ("music", "street_music"),
}

DEFAULT = LabelRule(on=0.65, off=0.35, hold_s=1.4)
STEADY = LabelRule(on=0.65, off=0.35, hold_s=1.4, min_s=0.5)  # no moment of a machine, of rain, of music is so short
RULES = {
    # An alarm is silent between its patterns, T3 for 1.5 s, T4 for 5 s: it is one event all the same.
    # And over a kitchen mixer it is like nothing the model has heard alone: it must be told however unfamiliar.
    "smoke_alarm": LabelRule(on=0.65, off=0.35, hold_s=6.0, familiar=-1.0),
    "co_alarm": LabelRule(on=0.7, off=0.4, hold_s=8.0, familiar=-1.0),
    "telephone_ring": LabelRule(on=0.65, off=0.35, hold_s=5.0),  # 4 s of silence between rings
    "doorbell": LabelRule(on=0.65, off=0.35, hold_s=5.0),  # who waits at the door rings again: that is no second visit
    "sneeze": LabelRule(on=0.65, off=0.35, hold_s=2.5),  # it seldom comes alone
    "appliance_beep": LabelRule(on=0.7, off=0.4, hold_s=3.0),
    "gun_shot": LabelRule(on=0.75, off=0.4, hold_s=1.4),  # the name that alarms most must be surest
    **dict.fromkeys(
        (
            "air_conditioner", "engine_idling", "rain", "sea_waves", "fire_crackling", "helicopter", "chainsaw",
            "drilling", "jackhammer", "clock_tick", "siren", "music", "street_music", "children_playing",
        ),
        STEADY,
    ),
}  # fmt: skip


def rules_for(labels: Sequence[str]) -> dict[str, LabelRule]:
    """A rule for every label."""
    return {label: RULES.get(label, DEFAULT) for label in labels}


def groups_for(labels: Sequence[str]) -> dict[str, list[str]]:
    """The groups that have members among the labels."""
    present = {group: [label for label in members if label in labels] for group, members in GROUPS.items()}
    return {group: members for group, members in present.items() if members}
