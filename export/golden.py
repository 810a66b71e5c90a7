"""Golden sounds, whose label the shipped bundle must keep: python -m export.golden --bundle FOLDER

Synthesised ones can be made anywhere; recorded ones are checked where ../shared/data is.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from listener.pipeline import bundle
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.features import LogMel
from listener.pipeline.values import Clip, ClipContext, Floats, Span
from models.data.bank import decode
from models.data.pool import DATA
from models.data.recordings import read_metadata
from models.training.command import command

log = logging.getLogger(__name__)

GOLDEN = Path(__file__).with_suffix(".json")
SURE = 0.7  # a recording whose highest score is less is not a reference
HOP = 7680  # samples: 0.48 s
PAUSE_DBFS = -80.0

Answer = Callable[[Floats], tuple[str, float]]


def answerer(loaded: Bundle) -> Answer:
    """A function that gives a recording's highest label and its score: the highest over time."""
    classifier = Classifier(loaded, "cpu")

    def answer(samples: Floats) -> tuple[str, float]:
        scores = stream_scores(classifier, loaded, samples).max(axis=0)
        best = int(scores.argmax())
        return loaded.labels[best], float(scores[best])

    return answer


def stream_scores(classifier: Classifier, loaded: Bundle, samples: Floats) -> Floats:
    """Scores (clips, labels) of the clips of a recording, one every 0.48 s, as a stream after near silence."""
    spec, classify, log_mel = loaded.features, classifier.stream(), LogMel(loaded.features, loaded.filters)
    noise = np.random.default_rng(0).standard_normal(spec.clip_samples).astype(np.float32)
    stream = np.concatenate([noise * np.float32(10 ** (PAUSE_DBFS / 20)), samples, np.zeros(HOP, np.float32)])
    scores = []
    for stop in range(spec.clip_samples + HOP, len(stream) + 1, HOP):
        span = Span(stop - spec.clip_samples, stop)
        scores.append(classify(log_mel(Clip(span, stream[span.start : stop], ClipContext(span, -30.0)))).scores)
    return np.stack(scores)


def choose(loaded: Bundle, data: Path) -> dict[str, list[list[str]]]:
    """For each label one recording that the bundle names rightly: label and path."""
    return {"recorded": [list(row) for row in _recorded(answerer(loaded), data)]}


def _recorded(answer: Answer, data: Path) -> Iterator[tuple[str, str]]:
    found: set[str] = set()
    for recording in read_metadata(data):
        (label,) = recording.labels
        if label not in found:
            named, score = answer(decode(recording.path, 16_000))
            if named == label and score > SURE:
                found.add(label)
                yield label, recording.path.relative_to(data).as_posix()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ap = argparse.ArgumentParser(prog="python -m export.golden", description=(__doc__ or "").partition(":")[0])
    ap.add_argument("--bundle", type=Path, required=True)
    ap.add_argument("--data", type=Path, default=DATA)
    ap.add_argument("--out", type=Path, default=GOLDEN)
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: options.out.write_text(_lines(choose(bundle.load(options.bundle), options.data))))


def _lines(golden: dict[str, list[list[str]]]) -> str:
    kinds = [f' "{kind}": [\n  ' + ",\n  ".join(json.dumps(g) for g in rows) + "\n ]" for kind, rows in golden.items()]
    return "{\n" + ",\n".join(kinds) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
