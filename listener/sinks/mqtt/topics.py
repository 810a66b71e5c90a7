"""Topics, and identifiers for Home Assistant, made from names that users choose freely."""

import re
from collections.abc import Iterable, Sequence

from listener.errors import ConfigError

# Topics below <base>/<source>/, beside the labels.
EVENT, DETECTED, LEVEL, STATUS = "event", "detected", "level", "status"
AVAILABILITY, STATE, SET, ERROR = "availability", "state", "set", "error"
LEAVES = (EVENT, DETECTED, LEVEL, STATUS, AVAILABILITY, STATE, SET, ERROR)

ONLINE, OFFLINE = b"online", b"offline"
ON, OFF = b"ON", b"OFF"


class Topics:
    """The topics below a base.

    Raises:
        ConfigError: The base is not a valid topic, or two names would share a topic.
    """

    def __init__(self, base: str, sources: Sequence[str], labels: Sequence[str]) -> None:
        self.base, self.sources, self.labels = checked(base, "base"), tuple(sources), tuple(labels)
        _check_distinct("source", sources)
        _check_distinct("label", labels)
        if taken := next((label for label in labels if level(label) in LEAVES), None):
            remedy = f"Set labels.{taken}.name to another name."
            raise ConfigError(f"label {taken!r} has the name of a topic", code="mqtt-topic-shared", remedy=remedy)

    @property
    def daemon(self) -> str:
        """Says whether the daemon is online. The last will is published here."""
        return f"{self.base}/status"

    def of(self, source: str, leaf: str) -> str:
        """Return a topic of a source: one of `LEAVES`, or a label."""
        return f"{self.base}/{level(source)}/{level(leaf)}"

    def retained(self) -> list[str]:
        """Return the topics of sources whose messages are retained."""
        leaves = (AVAILABILITY, STATUS, STATE, *self.labels)
        return [self.of(source, leaf) for source in self.sources for leaf in leaves]

    def commands(self) -> dict[str, str]:
        """Return the topics on which commands arrive, with their sources."""
        return {self.of(source, SET): source for source in self.sources}


def level(name: str) -> str:
    """Return a name as one level of a topic, without spaces and wildcards."""
    return re.sub(r"[+#/\s\x00-\x1f\x7f]", "_", name)


def identifier(name: str) -> str:
    """Return a name as an identifier for Home Assistant, [a-zA-Z0-9_-]; distinct but for spaces."""
    return re.sub(r"[^a-zA-Z0-9_]", lambda found: "_" if found[0] == " " else f"-{ord(found[0]):x}", name)


def checked(topic: str, key: str) -> str:
    """Return the beginning of topics, or raise ConfigError if it is not valid."""
    levels = topic.split("/")
    if not all(levels) or any(one != level(one) for one in levels) or topic.startswith("$"):
        remedy = "Write, for example, home/listener, without spaces, + and #."
        raise ConfigError(f"{key}: {topic!r} is not a topic", code="mqtt-topic", remedy=remedy)
    return topic


def _check_distinct(what: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(level(name), name)
        if other != name:
            problem = f"{what}s {other!r} and {name!r} would share a topic"
            raise ConfigError(problem, code="mqtt-topic-shared", remedy="Give one of them another name.")
