"""The protocol between the capture process and its reader. Imports little, to keep the child small.

The child writes one line of JSON, then packets. The line is {"device", "rate", "channels", "identities"}, or
{"error", "code", "remedy", "lasting"} if no packets follow. With --list it is {"devices": [...]}, with --find
{"device"}. A packet is a header and int16 samples.
"""

import os
import struct
import sys

BLOCK_MS = 160  # whole frames; each block wakes threads in both processes, with cold caches
HEADER = struct.Struct("<4sIQd")  # MAGIC, samples per channel, number of the first, Unix time of the last
MAGIC = b"PCM\n"
GONE_STATUS = 3  # exit status: the device has gone
ALSA_REMEDY = "Restore /usr/share/alsa/alsa.conf: sudo apt install --reinstall libasound2-data"
BACKENDS = ("sounddevice", "pyaudio")


def argv(*arguments: str) -> list[str]:
    """Return the command line of a capture process."""
    # -P: the current folder must not decide what the child imports.
    return [sys.executable, "-P", "-m", "listener.sources.microphone.capture", *arguments]


def environment() -> dict[str, str]:
    """Return an environment in which the child imports this package, and does not start a JACK server."""
    root = __file__.rsplit(os.sep, 4)[0]
    env = {"JACK_NO_START_SERVER": "1", **os.environ}
    if not root.endswith("-packages"):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (root, env.get("PYTHONPATH"))))
    return env
