"""Several processes on one training, as torchrun starts them; alone, nothing of this is felt."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed


def world() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is; 0 is the one that writes."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def started(device: str) -> Iterator[None]:
    """The processes know each other within."""
    if world() == 1:
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()
