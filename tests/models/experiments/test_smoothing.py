"""A hidden Markov model rides over a dip, and starts nothing on a single high score."""

import numpy as np

from models.experiments.smoothing import BINS, Markov

STAY = np.log(np.array([[0.95, 0.05], [0.05, 0.95]]))
RISING = np.linspace(0.02, 0.23, len(BINS) + 1)
EMIT = np.log(np.stack([RISING[::-1], RISING]))
MODEL = Markov(STAY, EMIT)


def decided(scores: list[float], lag: int = 0, bias: float = 0.0) -> list[float]:
    return MODEL.decide(np.array(scores, np.float32), lag, bias).tolist()


def test_high_scores_for_long_are_a_sound() -> None:
    assert decided([0.01] * 4 + [0.99] * 6)[-1] == 1


def test_one_dip_does_not_part_a_sound() -> None:
    assert decided([0.99] * 6 + [0.3] + [0.99] * 3)[4:] == [1] * 6


def test_one_high_score_is_no_sound() -> None:
    assert decided([0.01] * 5 + [0.99] + [0.01] * 4) == [0] * 10


def test_a_lag_says_everything_later_and_knows_more() -> None:
    begins, dips = [0.01] * 4 + [0.99] * 6, [0.99] * 4 + [0.01] * 2 + [0.99] * 4
    assert (decided(begins).index(1), decided(begins, lag=2).index(1)) == (5, 6)
    assert (decided(dips)[4:].count(0), decided(dips, lag=2)[4:].count(0)) == (1, 0)


def test_a_bias_asks_for_more() -> None:
    assert sum(decided([0.01] * 4 + [0.99] * 6, bias=9.0)) == 0
