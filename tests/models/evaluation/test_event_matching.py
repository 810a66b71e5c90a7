"""Which reports are hits, which are false alarms, and which count neither way."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from models.evaluation import event_matching
from models.evaluation.event_matching import EventScore, MatchRule, ReportedEvent, TrueEvent, match, read_events
from tests.conftest import SHARED

TOOL = SHARED / "tools" / "score_events.py"
BARK = TrueEvent("dog_bark", 10.0, 12.0, 5.0)


def report(
    label: str = "dog_bark", start_s: float = 10.2, end_s: float = 12.0, detected_s: float = 11.0
) -> ReportedEvent:
    return ReportedEvent(label, start_s, end_s, detected_s)


@pytest.mark.parametrize(
    ("event", "is_hit"),
    [
        (report(), True),
        (report(start_s=12.5, end_s=13.0, detected_s=13.0), True),
        (report(start_s=12.6, end_s=13.0, detected_s=13.0), False),
        (report(start_s=8.0, end_s=9.5, detected_s=9.5), True),
        (report(start_s=8.0, end_s=9.4, detected_s=9.5), False),
        (report(start_s=9.0, detected_s=9.5), True),
        (report(start_s=9.0, detected_s=9.4), False),
        (report(detected_s=15.0), True),
        (report(detected_s=15.1), False),
        (report(start_s=10.0, end_s=16.0), True),
        (report(start_s=10.0, end_s=16.1), False),
        (report("cat_meow"), False),
    ],
)
def test_a_report_is_a_hit_within_the_limits(event: ReportedEvent, is_hit: bool) -> None:
    found = match([event], [BARK])
    assert ([hit for hit, _ in found.hits], found.false) == (([event], []) if is_hit else ([], [event]))


def test_a_true_event_is_hit_once_and_the_nearest_is_taken() -> None:
    second = TrueEvent("dog_bark", 12.3, 13.0)
    reports = [report(detected_s=13.2, start_s=12.2, end_s=13.0), report(), report(detected_s=14.0)]
    found = match(reports, [BARK, second])
    assert found.hits == [(report(), BARK), (reports[0], second)]
    assert found.false == [reports[2]]


def test_a_forgiven_pair_and_a_soft_event_count_neither_way() -> None:
    assert match([report("music")], [TrueEvent("street_music", 10, 12)]).false == []
    assert match([report("music")], [TrueEvent("dog_bark", 10, 12)]).false == [report("music")]
    soft = match([report(), report(detected_s=11.5)], [BARK], MatchRule(min_snr_db=6.0))
    assert (soft.hits, soft.false, soft.true) == ([], [], [])


def test_the_lines_of_an_event_are_joined() -> None:
    lines = [
        {"type": "status"},
        {"id": "a", "label": "dog_bark", "start_s": 1.0, "end_s": None, "detected_s": 1.5},
        {"type": "event", "id": "a", "label": "dog_bark", "start_s": 1.1, "end_s": 3.0, "detected_s": 3.0},
        {"label": "siren", "start_s": 0.5, "end_s": None, "detected_s": 0.9},
    ]
    expected = [ReportedEvent("siren", 0.5, 0.9, 0.9), ReportedEvent("dog_bark", 1.1, 3.0, 1.5)]
    assert read_events([*map(json.dumps, lines), "\n"]) == expected


def test_figures_are_summed_over_recordings() -> None:
    score = EventScore()
    score.add(match([report(), report("siren")], [BARK]), 1800)
    score.add(match([], [BARK]), 1800)
    figures = score.report()
    assert [figures[name] for name in ("hours", "true", "hit", "false")] == [1.0, 2, 1, 1]
    assert (figures["precision"], figures["recall"], figures["f1"]) == (0.5, 0.5, 0.5)
    assert figures["macro_f1"] == 0.6667
    assert figures["false_alarms_per_hour"] == 1.0
    assert figures["latency_s"]["p50"] == 1.0
    assert EventScore(hours=1.0).report()["precision"] is None


@pytest.mark.skipif(not TOOL.exists(), reason="the real recordings (../shared/data) are not here")
@pytest.mark.parametrize("flags", [[], ["--min-snr", "10", "--offset", "0.7", "--late", "1"]])
def test_figures_are_those_of_the_tool_that_it_replaces(
    tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(5)
    labels = ["music", "street_music", "dog_bark"]
    truth, lines = [], []
    for number in range(200):
        onset = chance.uniform(0, 600)
        length = chance.uniform(0.2, 6)
        snr = chance.uniform(0, 30)
        truth.append({"label": chance.choice(labels), "onset_s": onset, "offset_s": onset + length, "snr_db": snr})
        start = onset + chance.gauss(0, 1)
        event = {"id": str(number), "label": chance.choice(labels), "start_s": start, "detected_s": start + 1}
        lines.append(event | {"end_s": chance.choice([None, start + chance.uniform(1, 8)])})
    (tmp_path / "t.json").write_text(json.dumps({"duration_s": 600, "events": truth}))
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = ["--truth", str(tmp_path / "t.json"), "--events", str(tmp_path / "e.jsonl"), *flags]
    theirs = subprocess.run([sys.executable, TOOL, *words], check=True, capture_output=True, text=True).stdout
    event_matching.main(words)
    assert json.loads(capsys.readouterr().out) == json.loads(theirs)
