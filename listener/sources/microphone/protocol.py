"""What the capture process and its reader say to each other over a pipe. Imports little: the child is kept small.

The child writes one line of JSON, then packets. The line is {"device", "rate", "channels", "identities"}, or
{"error", "lasting"} where there will be no packets; asked for a list, {"devices": [...]}. A packet is a header, then
int16 samples.
"""

import os
import struct
import sys

BLOCK_MS = 160  # whole frames; each block wakes threads here and in the child whose caches have gone cold meanwhile
HEADER = struct.Struct(
    "<4sIQd"
)  # MAGIC, samples a channel, number of the first since the opening, Unix time of the last
MAGIC = b"PCM\n"
GONE_STATUS = 3  # exit status: the device stopped giving audio and will not again
BACKENDS = ("sounddevice", "pyaudio")


def argv(*arguments: str) -> list[str]:
    """The command line of a capture process."""
    # -P: where the daemon happens to be started must not decide what the child imports.
    return [sys.executable, "-P", "-m", "listener.sources.microphone.capture", *arguments]


def environment() -> dict[str, str]:
    """The environment in which it finds this very package, and starts no JACK server by the way."""
    root = __file__.rsplit(os.sep, 4)[0]
    env = {"JACK_NO_START_SERVER": "1", **os.environ}
    if not root.endswith("-packages"):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (root, env.get("PYTHONPATH"))))
    return env
