"""Events of recorded scores are judged by score_events.py: what was heard in time is a hit, the rest is false."""

from collections.abc import Mapping

import numpy as np
import pytest

from listener.pipeline.bundle import LabelRule
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import ClipContext, Prediction, Span
from models.evaluation.event_scoring import HOP_S, HeardScene, Judge, tables
from models.evaluation.scenes import TOOLS

pytestmark = pytest.mark.skipif(
    not (TOOLS / "score_events.py").is_file(), reason=f"{TOOLS}: score_events.py is not here to judge"
)

LABELS, RATE, CLIP = ("dog_bark", "siren"), FeatureSpec().sample_rate, FeatureSpec().clip_samples
RULE = LabelRule(on=0.5, off=0.25)
RULES = dict.fromkeys(LABELS, RULE)


def heard(sounding: Mapping[str, tuple[float, float]], of_truth: Mapping[str, tuple[float, float]]) -> HeardScene:
    """Half a minute in which scores and frames of labels are high from one second to another."""
    said = []
    for end in np.arange(3.0, 30.0, HOP_S):
        moments = np.linspace(end - 3, end, 38, endpoint=False)
        frames = np.full((len(LABELS), 38), 0.02, np.float32)
        for label, (start, stop) in sounding.items():
            frames[LABELS.index(label), (moments >= start) & (moments < stop)] = 0.97
        span = Span(round(end * RATE) - CLIP, round(end * RATE))
        said.append(Prediction(span, frames.max(axis=1), ClipContext(span, -30.0), frames))
    return HeardScene(said, [{"label": label, "onset_s": on, "offset_s": off} for label, (on, off) in of_truth.items()])


SCENE = heard({"dog_bark": (10.0, 13.0), "siren": (20.0, 24.0)}, {"dog_bark": (10.0, 13.0)})


def test_a_bark_in_time_is_a_hit_and_a_siren_of_nothing_is_false() -> None:
    judge = Judge(FeatureSpec(), LABELS, [SCENE], familiar=-1)
    (bark, late), (siren, _) = (judge.judged(label, RULE) for label in LABELS)
    assert (bark.tolist(), siren.tolist()) == ([1, 1, 0], [0, 0, 1])
    assert 0 < late[0] < 2


def test_a_table_made_on_every_core_is_that_of_one() -> None:
    judge = Judge(FeatureSpec(), LABELS, [SCENE], familiar=-1)
    made = tables(judge, RULES)
    assert made.keys() == RULES.keys()
    for label, table in made.items():
        alone = judge.table(label, RULE)
        assert table.keys() == alone.keys()
        assert all(np.array_equal(table[candidate], tally) for candidate, tally in alone.items())
