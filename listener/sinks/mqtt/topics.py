"""Topics: what is said where, and ids for Home Assistant, from names that a user chose freely."""

import re
from collections.abc import Iterable, Sequence

from listener.errors import ConfigError

# Below <base>/<source>/, beside the labels.
EVENT, DETECTED, LEVEL, STATUS = "event", "detected", "level", "status"
AVAILABILITY, STATE, SET, ERROR = "availability", "state", "set", "error"
LEAVES = (EVENT, DETECTED, LEVEL, STATUS, AVAILABILITY, STATE, SET, ERROR)

ONLINE, OFFLINE = b"online", b"offline"
ON, OFF = b"ON", b"OFF"


class Topics:
    """The topics below a base. ConfigError where two names would share one, or the base is none."""

    def __init__(self, base: str, sources: Sequence[str], labels: Sequence[str]) -> None:
        self.base, self.sources, self.labels = checked(base, "base"), tuple(sources), tuple(labels)
        _no_two_alike("source", sources)
        _no_two_alike("label", labels)
        if taken := next((label for label in labels if level(label) in LEAVES), None):
            raise ConfigError(f"mqtt: label {taken!r} is a topic already; report it under another name, by labels.name")

    @property
    def daemon(self) -> str:
        """Whether the daemon is there; it carries the last will."""
        return f"{self.base}/status"

    def of(self, source: str, leaf: str) -> str:
        """A topic of a source: one of `LEAVES`, or a label."""
        return f"{self.base}/{level(source)}/{level(leaf)}"

    def retained(self) -> list[str]:
        """The topics of sources that a broker keeps the last message of."""
        leaves = (AVAILABILITY, STATUS, STATE, *self.labels)
        return [self.of(source, leaf) for source in self.sources for leaf in leaves]

    def orders(self) -> dict[str, str]:
        """The topics on which commands come -> the source that each is of."""
        return {self.of(source, SET): source for source in self.sources}


def level(name: str) -> str:
    """A name as one level of a topic: without what means something there, and without spaces."""
    return re.sub(r"[+#/\s\x00-\x1f\x7f]", "_", name)


def identifier(name: str) -> str:
    """A name as Home Assistant takes ids: [a-zA-Z0-9_-] only, and no two names alike but for spaces."""
    return re.sub(r"[^a-zA-Z0-9_]", lambda found: "_" if found[0] == " " else f"-{ord(found[0]):x}", name)


def checked(topic: str, key: str) -> str:
    """The beginning of topics; ConfigError where it cannot be one."""
    levels = topic.split("/")
    if not all(levels) or any(one != level(one) for one in levels) or topic.startswith("$"):
        raise ConfigError(f"mqtt: {key}: {topic!r} is no topic; write it as a/b, without spaces, + and #")
    return topic


def _no_two_alike(what: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(level(name), name)
        if other != name:
            raise ConfigError(f"mqtt: {what}s {other!r} and {name!r} would share a topic; give one another name")
