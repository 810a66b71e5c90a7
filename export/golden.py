"""Golden clips: sounds whose label the shipped bundle must keep: python -m export.golden --bundle folder

Synthesised ones can be made anywhere; recorded ones are checked where ../shared/data is.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from export.graph import Runtime
from listener.pipeline import bundle
from listener.pipeline.bundle import Bundle
from listener.pipeline.features import LogMel
from listener.pipeline.values import Floats
from models.data.bank import decode
from models.data.pool import DATA
from models.data.recordings import read_metadata
from models.data.synthesis import STANDARD
from models.evaluation.scoring import clips_of
from models.evaluation.test_split import unseen_sound
from models.training.command import command

log = logging.getLogger(__name__)

GOLDEN = Path(__file__).with_suffix(".json")
EACH = 3  # synthesised clips of a label
SURE = 0.7  # a recording that is answered with less is no reference

Answer = Callable[[Floats], tuple[str, float]]


def answerer(loaded: Bundle) -> Answer:
    """What a bundle says of a recording at its rate: the highest label and its score."""
    run, log_mel = Runtime(loaded.model), LogMel(loaded.features, loaded.filters)

    def answer(samples: Floats) -> tuple[str, float]:
        mels = np.stack([log_mel.columns(clip) for clip in clips_of(samples, loaded.features)])
        scores = run(mels).mean(axis=0)
        best = int(scores.argmax())
        return loaded.labels[best], float(scores[best])

    return answer


def choose(loaded: Bundle, data: Path) -> dict[str, list[tuple[str, str | int]]]:
    """Sounds that the bundle answers rightly: synthesised (label, number), recorded (label, path)."""
    answer = answerer(loaded)
    return {"synthesised": list(_synthesised(answer)), "recorded": list(_recorded(answer, data))}


def _synthesised(answer: Answer) -> Iterator[tuple[str, int]]:
    for label in STANDARD:
        right = (number for number in range(100) if answer(unseen_sound(label, number))[0] == label)
        yield from ((label, number) for number, _ in zip(right, range(EACH), strict=False))


def _recorded(answer: Answer, data: Path) -> Iterator[tuple[str, str]]:
    found: set[str] = set()
    for recording in read_metadata(data):
        (label,) = recording.labels
        if label not in found:
            said, score = answer(decode(recording.path, 16_000))
            if said == label and score > SURE:
                found.add(label)
                yield label, recording.path.relative_to(data).as_posix()


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m export.golden", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--bundle", type=Path, required=True)
    ap.add_argument("--data", type=Path, default=DATA)
    ap.add_argument("--out", type=Path, default=GOLDEN)
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: options.out.write_text(_lines(choose(bundle.load(options.bundle), options.data))))


def _lines(golden: dict[str, list[tuple[str, str | int]]]) -> str:
    kinds = [f' "{kind}": [\n  ' + ",\n  ".join(json.dumps(g) for g in rows) + "\n ]" for kind, rows in golden.items()]
    return "{\n" + ",\n".join(kinds) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
