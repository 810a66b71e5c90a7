"""What YAMNet says of files: kept on disk, since it takes minutes."""

import hashlib
from pathlib import Path

import numpy as np
from tqdm import tqdm

from listener.types import Floats
from models.bank import decode
from models.heldout import Files
from models.peer import CLASSES, Peer
from models.pool import CACHE

RATE = 16_000


def peer_scores(files: Files, peer: Peer, cache: Path = CACHE) -> Floats:
    """Probabilities (files, CLASSES) of recorded files: the mean over a file's windows."""
    path = cache / f"yamnet-{hashlib.sha256(repr(files.names).encode()).hexdigest()[:16]}.npy"
    if not path.is_file():
        scores = np.zeros((len(files.names), CLASSES), np.float32)
        for n, name in enumerate(tqdm(files.names, "YAMNet", mininterval=5)):
            logits = peer.logits(decode(Path(name), RATE))
            scores[n] = (1 / (1 + np.exp(-logits))).mean(axis=0)
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, scores)
    kept: Floats = np.load(path)
    return kept
