"""`python -m soak.fuzzing TARGET COUNT SEED FOLDER`: one target in a process of its own; its tally as JSON."""

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from soak.fuzzing.inputs import run
from soak.fuzzing.targets import TARGETS

logging.disable(logging.CRITICAL)  # each refusal is logged
name, count, seed, folder = sys.argv[1:]
print(json.dumps(asdict(run(TARGETS[name], int(count), int(seed), Path(folder)))))
