"""The page shows the figures that were measured."""

from models.evaluation.page import page, table

LABEL = {"true": 4, "hit": 3, "false": 2, "f1": 0.6667}
REPORT = {
    "bundle": "fold3",
    "fold": 3,
    "part": "second",
    "date": "2020-01-01",
    "scenes": {
        "hours": 3.3333, "true": 4, "f1": 0.6667, "macro_f1": 0.5, "precision": 0.6, "recall": 0.75,
        "false_alarms_per_hour": 0.6, "latency_s": {"p50": 0.8, "p95": 2.1}, "labels": {"rain": LABEL},
    },
    "files": {
        "datasets": {"esc50": {"files": 40, "labels": 10, "all": 0.812, "own": 0.9, "yamnet_own": 0.7}},
        "leakage": {"balanced_accuracy": 0.55, "chance": 0.5},
    },
    "raised": {"rain": {"wind": 0.25, "siren": 0.0}},
    "alarms": {"a_real_one": ["alarm", "smoke_alarm"]},
    "alone": {"speech": {"minutes": 12.0, "others": ["cough"], "an_hour": 5.0}, "music": {}},
}  # fmt: skip


def test_a_table_has_a_head_a_rule_and_rows() -> None:
    assert table([("a", "b"), ("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_every_figure_is_on_the_page() -> None:
    text = page(REPORT)
    for row in (
        "| F1 | 0.6667 |", "| onset to event, p95 | 2.1 s |", "| rain | 4 | 3 | 2 | 0.6667 |",
        "| esc50 | 40 | 10 | 81.2 % | 90.0 % | 70.0 % |", "| rain | wind | 25.0 % |",
        "| a_real_one | alarm, smoke_alarm |", "| speech | 12 | 1 | 5 |",
    ):  # fmt: skip
        assert row in text


def test_pairs_that_never_happen_are_left_out() -> None:
    assert "| rain | siren" not in page(REPORT)
