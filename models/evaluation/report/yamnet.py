"""What YAMNet says of files: kept on disk, since it takes minutes."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from listener.pipeline.values import Floats
from models.data.bank import decode
from models.data.caching import digest, only_one, sources, whole
from models.data.pool import CACHE
from models.evaluation.test_split import Files
from models.evaluation.yamnet import CLASSES, Peer

RATE = 16_000


def peer_scores(files: Files, peer: Peer, cache: Path = CACHE) -> Floats:
    """Probabilities (files, CLASSES) of recorded files: the mean over a file's windows."""
    code = sources(peer_scores, decode, Peer)
    path = cache / f"yamnet-{digest(files.names, files=(*code, *map(Path, files.names)))}.npy"
    with only_one(path):
        if not path.is_file():
            scores = _asked(files, peer)
            with whole(path) as file:
                np.save(file, scores)
    kept: Floats = np.load(path)
    return kept


def _asked(files: Files, peer: Peer) -> Floats:
    scores = np.zeros((len(files.names), CLASSES), np.float32)
    for n, name in enumerate(tqdm(files.names, "YAMNet", mininterval=5)):
        logits = peer.logits(decode(Path(name), RATE))
        scores[n] = (1 / (1 + np.exp(-logits))).mean(axis=0)
    return scores
