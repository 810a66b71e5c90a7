"""The retained messages at the broker, stored across restarts."""

import json
import logging
from pathlib import Path

from listener.sinks.mqtt.homeassistant import Announced

log = logging.getLogger(__name__)


class DiscoveryStore:
    """A file with everything that was announced to Home Assistant or retained, so that it can be withdrawn later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._now: Announced = {}
        self._unconfirmed = 0

    def exchange(self, now: Announced) -> Announced:
        """Store what is announced now, beside the old until it is confirmed. Returns the old."""
        before = self._read()
        self._now, self._unconfirmed = now, self._unconfirmed + 1
        both = {topic: before.get(topic, {}) | now.get(topic, {}) for topic in before | now}
        if both != before:
            self._write(both)
        return before

    def confirm(self) -> None:
        """Record that the broker has taken the messages of one `exchange`. After the last one, the old is forgotten."""
        self._unconfirmed -= 1
        if not self._unconfirmed and self._read() != self._now:
            self._write(self._now)

    def _read(self) -> Announced:
        try:
            found = json.loads(self._path.read_bytes())
            return {str(topic): dict(components) for topic, components in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as err:
            log.warning("%s: cannot be read (%s); old topics may stay at the broker", self._path, err)
            return {}

    def _write(self, announced: Announced) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(announced), encoding="utf-8")
            fresh.replace(self._path)
        except OSError as err:
            log.warning("%s: cannot be written (%s); old topics may stay at the broker", self._path, err)
