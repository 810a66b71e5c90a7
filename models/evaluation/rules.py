"""How the scores of the labels become events, before `models.calibrate` fits the thresholds.

Hold times and minimum lengths follow from what the sounds are.
"""

from collections.abc import Sequence

from listener.pipeline.bundle import LabelInfo, LabelRule, Sensitivity
from models.data.labels import BY_ID

START = LabelRule(on=0.65, off=0.35, hold_s=1.4)
STEADY = LabelRule(on=0.65, off=0.35, hold_s=1.4, min_s=0.5)  # machines, rain and music are never shorter
URGENT = LabelRule(on=0.7, off=0.35, hold_s=1.4)
RULES = {
    # Alarms are silent between their patterns, T3 for 1.5 s, T4 for 5 s. Persistence tells them from a single beep.
    "smoke_alarm": LabelRule(on=0.7, off=0.3, hold_s=6.0, min_s=1.0),
    "co_alarm": LabelRule(on=0.7, off=0.3, hold_s=8.0, min_s=1.0),
    "alarm": LabelRule(on=0.7, off=0.3, hold_s=6.0, min_s=1.5),
    "siren": LabelRule(on=0.7, off=0.35, hold_s=2.0, min_s=1.0),
    "telephone_ring": LabelRule(on=0.65, off=0.35, hold_s=5.0),  # 4 s of silence between rings
    "doorbell": LabelRule(on=0.65, off=0.35, hold_s=5.0),  # a second ring is the same visit
    "alarm_clock": LabelRule(on=0.65, off=0.35, hold_s=3.0),
    "appliance_beep": LabelRule(on=0.7, off=0.4, hold_s=3.0),
    "sneeze": LabelRule(on=0.65, off=0.35, hold_s=2.5),
    "cough": LabelRule(on=0.65, off=0.35, hold_s=2.5),
    "gun_shot": LabelRule(on=0.75, off=0.4, hold_s=1.4),
}
STEADY_GROUPS = {"machines", "music", "nature"}


def rule_of(label: str) -> LabelRule:
    """The rule of a label before its thresholds are fitted."""
    if label in RULES:
        return RULES[label]
    known = BY_ID.get(label)
    if known and known.kind == "urgent":
        return URGENT
    return STEADY if known and STEADY_GROUPS & set(known.groups) else START


def groups_of(labels: Sequence[str]) -> dict[str, list[str]]:
    """The groups that have members among the labels."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        for group in BY_ID[label].groups if label in BY_ID else ():
            groups.setdefault(group, []).append(label)
    return groups


def info_of(label: str, thresholds: dict[Sensitivity, float]) -> LabelInfo:
    """Display name and class of a label, and its thresholds for other sensitivities."""
    known = BY_ID.get(label)
    return (
        LabelInfo(thresholds=thresholds, name=known.name, kind=known.kind)
        if known
        else LabelInfo(thresholds=thresholds)
    )
