"""`python -m soak.fuzzing TARGET COUNT SEED FOLDER`: one target in a process of its own; its report as JSON."""

import json
import logging
import sys
from pathlib import Path

from soak.fuzzing.fuzzer import fuzz
from soak.fuzzing.targets import TARGETS

logging.disable(logging.CRITICAL)  # each refusal is said, which is right, and here too much
name, count, seed, folder = sys.argv[1:]
print(json.dumps(fuzz(TARGETS[name], int(count), int(seed), Path(folder)).plain()))
