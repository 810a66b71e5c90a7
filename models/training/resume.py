"""Whether a run that is to go on is the one that was begun."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from models.data.pool import Pool
from models.data.recordings import DataError
from models.training.checkpoint import Checkpoint
from models.training.recipe import Recipe
from models.training.settings import changed

REMEDY = "Train anew in another --out."


def begun_so(earlier: Checkpoint, recipe: Recipe, data: Sequence[Path]) -> None:
    """DataError names what a run was begun with and what is asked of it now, where the two differ."""
    other = [f"{new} (not {old.partition('=')[2]})" for new, old in _both(recipe, earlier.recipe)]
    if [folder.resolve() for folder in data] != [folder.resolve() for folder in earlier.data]:
        other.append(f"data={_listed(data)} (not {_listed(earlier.data)})")
    if other:
        raise DataError(f"--resume goes on as the run was begun, not with {'; '.join(other)}. {REMEDY}")


def begun_with(earlier: Checkpoint, pool: Pool) -> None:
    """DataError where a pool is not one that a run can have been begun with."""
    if not np.array_equal(pool.filters, earlier.filters):
        raise DataError(f"the pool's mel filters are not those that the run was begun with. {REMEDY}")
    labels = earlier.recipe.mixing.labels
    if pool.targets.shape[1] != len(labels) or pool.labels not in ((), labels):
        raise DataError(f"the pool's labels are not those that the run was begun with: {', '.join(labels)}. {REMEDY}")


def _both(recipe: Recipe, earlier: Recipe) -> Iterator[tuple[str, str]]:
    """Each setting in which two recipes differ, as either has it."""
    return zip(changed(recipe, earlier), changed(earlier, recipe), strict=True)


def _listed(folders: Sequence[Path]) -> str:
    return ",".join(map(str, folders))
