"""The configuration: TOML read into frozen structs. Every default is in the section of the part that it belongs to.

Imports the sections of stages, sources and sinks, which import nothing from here. Start reading at reading.py.
"""

from listener.config.defaults import defaults
from listener.config.labels import event_labels, groups, mismatches, names, rules
from listener.config.reading import deprecations, find, load, located, part, user_file
from listener.config.sections import SECTIONS, SOCKET, SYSTEM_FILE, Config, DaemonConfig, ModelConfig, Part

__all__ = [
    "SECTIONS",
    "SOCKET",
    "SYSTEM_FILE",
    "Config",
    "DaemonConfig",
    "ModelConfig",
    "Part",
    "defaults",
    "deprecations",
    "event_labels",
    "find",
    "groups",
    "load",
    "located",
    "mismatches",
    "names",
    "part",
    "rules",
    "user_file",
]
