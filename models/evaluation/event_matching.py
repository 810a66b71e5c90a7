"""Scores reported sound events against the truth of a scene.

    python -m models.evaluation.event_matching --truth scene1.json --events scene1.jsonl [--truth scene2.json ...]

A reported event hits a true event of its label if their spans, widened by a collar, overlap, if it was first reported
between half a second before the onset and `late_s` after the end, and if it is at most `longer_s` longer than the
truth. A true event is hit once; every other report is a false alarm. Latency is the time of the first report minus the
true onset.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EARLY_S = 0.5


@dataclass(frozen=True, slots=True)
class MatchRule:
    """When a report counts as a hit.

    Attributes:
        forgiven: Pairs (reported, true): such a report counts neither way.
        min_snr_db: True events below this SNR count neither way; None: all count.
    """

    collar_s: float = 0.5
    late_s: float = 3.0
    longer_s: float = 4.0
    forgiven: frozenset[tuple[str, str]] = frozenset(
        {
            ("speech", "children_playing"),
            ("children_playing", "speech"),
            ("music", "street_music"),
            ("street_music", "music"),
        }
    )
    min_snr_db: float | None = None


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """An event of the program, all of its lines joined. Times in seconds of stream."""

    label: str
    start_s: float
    end_s: float
    detected_s: float


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """An event of a scene."""

    label: str
    onset_s: float
    offset_s: float
    snr_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Matches:
    """How the reports of one recording compare with its truth; reports that count neither way are left out."""

    hits: list[tuple[ReportedEvent, TrueEvent]]
    false: list[ReportedEvent]
    true: list[TrueEvent]


def match(events: Iterable[ReportedEvent], truth: Sequence[TrueEvent], rule: MatchRule = MatchRule()) -> Matches:
    """Match the reports of one recording, in order of detection, with its true events."""
    free = list(truth)
    counted = [true for true in truth if not _is_soft(true, rule)]
    found = Matches([], [], counted)
    for event in sorted(events, key=lambda event: event.detected_s):
        near = [true for true in truth if _overlap(event, true, rule)]
        same = [true for true in near if true.label == event.label]
        fitting = [true for true in same if true in free and _fits(event, true, rule)]
        if fitting:
            hit = min(fitting, key=lambda true: abs(true.onset_s - event.start_s))
            free.remove(hit)
            if hit in counted:
                found.hits.append((event, hit))
        elif not _is_forgiven(event, near, same, rule):
            found.false.append(event)
    return found


def read_events(lines: Iterable[str]) -> list[ReportedEvent]:
    """Join the lines of each event.

    Args:
        lines: One JSON object each. Objects whose `type` is not "event" are skipped. `id` joins the lines of one event;
            the earliest `detected_s` and the last `start_s` and `end_s` count.

    Returns:
        The events, in order of detection.
    """
    joined: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        item = json.loads(line)
        if item.get("type", "event") != "event":
            continue
        event = joined.setdefault(item.get("id", f"line {number}"), dict(item))
        event.update({name: item[name] for name in ("start_s", "end_s") if item.get(name) is not None})
        event["detected_s"] = min(item.get("detected_s", event["detected_s"]), event["detected_s"])
    return sorted(map(_reported, joined.values()), key=lambda event: event.detected_s)


def read_truth(scene: Mapping[str, Any], offset_s: float = 0.0) -> list[TrueEvent]:
    """Return the events of a scene's JSON, moved by `offset_s`."""
    return [
        TrueEvent(item["label"], item["onset_s"] + offset_s, item["offset_s"] + offset_s, item.get("snr_db", 0.0))
        for item in scene["events"]
    ]


@dataclass(slots=True)
class EventScore:
    """The sum over recordings."""

    hours: float = 0.0
    true: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    hits: list[tuple[ReportedEvent, TrueEvent]] = field(default_factory=list)

    def add(self, matches: Matches, duration_s: float) -> None:
        """Add one recording."""
        self.hours += duration_s / 3600
        self.true.update(event.label for event in matches.true)
        self.hit.update(event.label for event, _ in matches.hits)
        self.false.update(event.label for event in matches.false)
        self.hits += matches.hits

    def report(self) -> dict[str, Any]:
        """Return the figures as an object for JSON."""
        hit, true, false = self.hit.total(), self.true.total(), self.false.total()
        labels = {label: self._of_label(label) for label in sorted(self.true.keys() | self.false.keys())}
        scored = [row["f1"] for row in labels.values() if row["true"]]
        latency = [event.detected_s - true.onset_s for event, true in self.hits]
        return {
            "hours": round(self.hours, 3),
            "true": true,
            "hit": hit,
            "false": false,
            "precision": _ratio(hit, hit + false),
            "recall": _ratio(hit, true),
            "f1": _ratio(2 * hit, true + hit + false),
            "macro_f1": round(sum(scored) / len(scored), 4) if scored else None,
            "false_alarms_per_hour": round(false / self.hours, 2),
            "latency_s": {"p50": quantile(latency), "p95": quantile(latency, 0.95)},
            "onset_error_s": quantile([abs(event.start_s - true.onset_s) for event, true in self.hits]),
            "end_error_s": quantile([abs(event.end_s - true.offset_s) for event, true in self.hits]),
            "labels": labels,
        }

    def _of_label(self, label: str) -> dict[str, Any]:
        true, hit, false = self.true[label], self.hit[label], self.false[label]
        return {"true": true, "hit": hit, "false": false, "f1": _ratio(2 * hit, true + hit + false)}


def quantile(values: Sequence[float], share: float = 0.5) -> float | None:
    """Return the value below which a share of the values lies, or None if there are none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None


def _reported(item: Mapping[str, Any]) -> ReportedEvent:
    start_s, end_s, detected_s = item["start_s"], item.get("end_s"), item["detected_s"]
    return ReportedEvent(item["label"], start_s, max(start_s, detected_s) if end_s is None else end_s, detected_s)


def _overlap(event: ReportedEvent, true: TrueEvent, rule: MatchRule) -> bool:
    return event.start_s <= true.offset_s + rule.collar_s and true.onset_s <= event.end_s + rule.collar_s


def _fits(event: ReportedEvent, true: TrueEvent, rule: MatchRule) -> bool:
    in_time = true.onset_s - EARLY_S <= event.detected_s <= true.offset_s + rule.late_s
    return in_time and event.end_s - event.start_s <= true.offset_s - true.onset_s + rule.longer_s


def _is_forgiven(event: ReportedEvent, near: Sequence[TrueEvent], same: Sequence[TrueEvent], rule: MatchRule) -> bool:
    if same:
        return all(_is_soft(true, rule) for true in same)
    return any((event.label, true.label) in rule.forgiven for true in near)


def _is_soft(true: TrueEvent, rule: MatchRule) -> bool:
    return rule.min_snr_db is not None and true.snr_db < rule.min_snr_db


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, text.split(",")):
        reported, _, true = pair.partition(":")
        yield reported, true


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    usual = MatchRule()
    forgiven = ",".join(sorted(":".join(pair) for pair in usual.forgiven))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--truth", action="append", type=Path, required=True, help="a scene's JSON")
    ap.add_argument("--events", action="append", type=Path, required=True, help="the events reported for it, as JSONL")
    ap.add_argument("--offset", type=float, default=0.0, help="seconds added to the truth")
    ap.add_argument("--collar", type=float, default=usual.collar_s)
    ap.add_argument("--late", type=float, default=usual.late_s)
    ap.add_argument("--longer", type=float, default=usual.longer_s)
    ap.add_argument("--forgive", default=forgiven, help="pairs reported:true that count neither way")
    ap.add_argument("--min-snr", type=float, help="true events below this SNR count neither way")
    return ap.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit status."""
    options = _options(argv)
    rule = MatchRule(options.collar, options.late, options.longer, frozenset(_pairs(options.forgive)), options.min_snr)
    score = EventScore()
    for truth, events in zip(options.truth, options.events, strict=True):
        scene = json.loads(truth.read_text())
        with events.open() as lines:
            matches = match(read_events(lines), read_truth(scene, options.offset), rule)
        score.add(matches, scene["duration_s"])
    print(json.dumps(score.report(), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
