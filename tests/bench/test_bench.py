"""The bench measures what it says it measures. How fast anything is, is asserted nowhere: machines differ."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench import cost, fidelity, frontend, latency, load, offline, processes, scenes, sounds, startup
from bench.__main__ import main
from bench.listening import Listening
from bench.plan import QUICK, SHARED, Plan
from bench.rows import BenchError, Row, SkippedError

TINY = replace(QUICK, audio_s=3, silence_s=3, rounds=1, starts=1, live_s=1, plays=1, minutes=0.5, load_s=0.5)


@pytest.fixture
def plan(tmp_path: Path, tiny_folder: Path) -> Plan:
    """As little as can be, with a model that is next to nothing."""
    return Plan(sizes=TINY, scratch=tmp_path, bundle=str(tiny_folder))


@pytest.mark.parametrize(
    ("measured", "at_least", "ratio", "verdict"),
    [(2.0, False, 0.5, "ok"), (8.0, False, 2.0, "MISSED"), (8.0, True, 0.5, "ok"), (2.0, True, 2.0, "MISSED")],
)
def test_a_ratio_is_the_share_used_of_what_is_allowed(
    measured: float, at_least: bool, ratio: float, verdict: str
) -> None:
    row = Row("it", measured, floor=4.0, at_least=at_least)
    assert (row.ratio, row.verdict) == (ratio, verdict)


def test_a_figure_that_nothing_was_asked_for_has_no_verdict() -> None:
    assert Row("it", 3.0).plain()["verdict"] == ""


def test_cost_says_so_where_yamnet_is_absent(plan: Plan) -> None:
    rows = list(cost.rows(replace(plan, shared=plan.scratch)))
    assert [row.verdict for row in rows if "YAMNet" in row.what] == ["skipped"]
    assert all(row.measured and row.measured > 0 for row in rows if row.verdict != "skipped")


def test_yamnet_answers_once_for_each_half_window(plan: Plan) -> None:
    pytest.importorskip("ai_edge_litert")
    model = SHARED / "peers" / "yamnet" / "yamnet.tflite"
    if not model.exists():
        pytest.skip("YAMNet (../shared/peers) is not here")
    path = sounds.write(plan.scratch / "room.wav", sounds.room_noise(3))
    answers = cost.yamnet(model)(path)
    assert isinstance(answers, list)
    assert len(answers) == 5  # windows of 0.975 s that begin at 0, 0.4875, 0.975, 1.4625 and 1.95 s


def test_the_step_of_the_front_end_keeps_the_columns_before(plan: Plan) -> None:
    clips = frontend.stream(frontend.bundles.load(Path(plan.bundle)))
    assert {after.span.stop - before.span.stop for before, after in pairwise(clips)} == {8_000}


def test_room_noise_has_the_level_that_it_says() -> None:
    assert 20 * np.log10(np.sqrt(np.square(sounds.room_noise(2)).mean())) == pytest.approx(-60, abs=0.1)


def test_a_sound_is_cut_a_moment_before_its_onset(tmp_path: Path) -> None:
    silence, noise = np.zeros(16_000, np.float32), sounds.room_noise(1, dbfs=-10)
    path = sounds.write(tmp_path / "late.wav", np.concatenate([silence, noise]))
    part, onset_s = sounds.active_part(path, 16_000, 0.5)
    assert onset_s == pytest.approx(sounds.PAD_S)
    assert len(part) == 8_000


def test_classify_is_run_and_its_time_taken(plan: Plan) -> None:
    answer = offline.classified(plan, [sounds.write(plan.scratch / "bursts.wav", sounds.bursts(6))])
    assert {event["label"] for event in answer.events} <= {"hiss", "hum", "nothing"}
    assert answer.cpu_s > 0
    assert answer.wall_s > 0


def test_a_file_that_is_no_audio_is_said_to_fail(plan: Plan) -> None:
    (plan.scratch / "no.wav").write_text("nothing")
    with pytest.raises(BenchError, match=r"no\.wav"):
        offline.classified(plan, [plan.scratch / "no.wav"])


def test_scenes_are_skipped_without_recordings(plan: Plan) -> None:
    with pytest.raises(SkippedError, match="--shared"):
        list(scenes.rows(replace(plan, shared=plan.scratch)))


def test_scenes_give_their_figures_and_say_what_the_model_has_seen(plan: Plan) -> None:
    if not (SHARED / "data" / "metadata.csv").exists():
        pytest.skip("the real recordings (../shared/data) are not here")
    rows = {row.what: row for row in scenes.rows(plan)}
    assert rows["scenes: recall"].note == "tiny does not say what it was trained on"
    assert rows["classify, times real time"].measured


def test_live_latency_tries_only_what_is_named_offline(plan: Plan) -> None:
    burst = sounds.room_noise(1, dbfs=-12)
    around = np.zeros(16_000, np.float32)
    offline_path = sounds.write(plan.scratch / "o.wav", np.concatenate([around, burst, around]))
    sound = latency.Sound(label="rooster", played=offline_path, offline=offline_path, onset_s=0.0)
    assert latency.heard_offline(plan, [sound]) == []


def test_the_daemon_is_ended_with_its_block_and_what_it_said_is_told(plan: Plan) -> None:
    with (
        Listening(plan, {"ALSA_CONFIG_PATH": "/dev/null", "PULSE_SERVER": "unix:/nowhere"}) as listener,
        pytest.raises(BenchError, match="did not"),
    ):
        listener.started_s()
    assert listener.process.poll() is not None


@pytest.mark.skipif(not shutil.which("pulseaudio"), reason="no PulseAudio for the virtual microphone")
def test_a_start_is_timed_on_the_virtual_microphone(plan: Plan) -> None:
    (row,) = startup.rows(plan)
    assert row.measured
    assert 0 < row.measured < 20


def test_the_command_prints_a_table_and_a_last_line_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "bench.json"
    status = main(["--quick", "--only", "scenes", "--shared", str(tmp_path), "--json", str(written)])
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 0
    assert last == json.loads(written.read_text())
    assert [row["verdict"] for row in last["rows"]] == ["skipped"]


def test_a_process_is_found_among_the_children_of_its_parent_with_what_it_uses() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in processes.children(os.getpid())
        assert child.stdin
        child.stdin.close()
    assert processes.rss_mb(os.getpid()) > 10
    assert processes.cpu_s(os.getpid()) > 0


def test_sixteen_bit_files_hold_what_was_made(tmp_path: Path) -> None:
    made = sounds.bursts(3)
    read, _ = soundfile.read(sounds.write(tmp_path / "b.wav", made), dtype="float32")
    assert np.abs(read - made).max() < 1e-4


def test_how_much_later_the_live_stream_heard_it_is_told_by_what_both_named() -> None:
    offline = [{"label": "siren", "start_s": 10.0}, {"label": "rain", "start_s": 30.0}]
    live = [
        {"label": "siren", "phase": "start", "start_s": 15.4},
        {"label": "siren", "phase": "end", "start_s": 99.0},
        {"label": "rain", "phase": "start", "start_s": 35.6},
        {"label": "rain", "phase": "start", "start_s": 60.0},  # another one: too far away to be the same
    ]
    assert fidelity.lag_s(offline, live, 5.0) == pytest.approx(0.5)
    assert fidelity.lag_s(offline, live, -7.0) == pytest.approx(12.5)  # a player that a busy machine kept waiting
    with pytest.raises(BenchError, match="nothing that classify names"):
        fidelity.lag_s(offline, [], 5.0)


def test_under_load_every_client_and_the_history_get_every_event(plan: Plan) -> None:
    rows = {row.what: row for row in load.rows(plan)}
    assert rows["load: events to each of 50 clients, the worst off"].measured == 1
    assert rows["load: events kept in the history"].measured == 1
    assert rows["load: a clip takes, times as long"].measured
