"""Home Assistant's MQTT discovery: payloads that announce a device for the daemon and one for each microphone.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from listener.messages import Hello
from listener.sinks.mqtt.topics import AVAILABILITY, DETECTED, LEVEL, SET, STATE, STATUS, Topics, identifier

SUPPORT_URL = "https://www.home-assistant.io/integrations/mqtt/"
ABBREVIATIONS = {"co": "CO", "tv": "TV"}
EXPIRE_AFTER_S = 180  # a label without news becomes unavailable: three times as long as it is repeated
DEVICE_CLASSES = {"smoke_alarm": "smoke", "co_alarm": "carbon_monoxide"}  # every other label is a sound

Payload = dict[str, Any]
Announced = dict[str, dict[str, str]]  # topic -> the platform of each component that was announced there


def announcements(
    topics: Topics, hello: Hello, labels: Sequence[str], *, prefix: str, with_level: bool
) -> dict[str, Payload]:
    """Return topic and payload of each announcement. The daemon is first: microphones refer to it."""
    found = {_topic(prefix, _device_id(topics)): _daemon(topics, hello)}
    for source in topics.sources:
        payload = _microphone(topics, hello, source, labels, with_level=with_level)
        found[_topic(prefix, _device_id(topics, source))] = payload
    return found


def announced(payloads: Mapping[str, Payload]) -> Announced:
    """Return what to store of announcements, so that they can be withdrawn later."""
    return {
        topic: {name: component["platform"] for name, component in payload["components"].items()}
        for topic, payload in payloads.items()
    }


def messages(payloads: Mapping[str, Payload], before: Announced) -> list[tuple[str, bytes]]:
    """Return the retained messages that announce these devices, and withdraw what is gone.

    A component is removed by publishing it once with only its platform, a device by an empty payload.
    """
    farewells = [(topic, b"") for topic in before if topic not in payloads]
    removals = [
        (topic, _encoded(payload | {"components": payload["components"] | gone}))
        for topic, payload in payloads.items()
        if (gone := _gone(before.get(topic, {}), payload))
    ]
    return [*farewells, *removals, *((topic, _encoded(payload)) for topic, payload in payloads.items())]


def _gone(before: Mapping[str, str], payload: Payload) -> Payload:
    return {name: {"platform": platform} for name, platform in before.items() if name not in payload["components"]}


def _encoded(payload: Payload) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def _topic(prefix: str, device: str) -> str:
    return f"{prefix}/device/{device}/config"


def _device_id(topics: Topics, source: str | None = None) -> str:
    """Return a unique identifier: no other one has a double hyphen, so source b of base a is not base a_b."""
    daemon = identifier(topics.base)
    return daemon if source is None else f"{daemon}--{identifier(source)}"


def _payload(hello: Hello, device: Payload, components: Mapping[str, Payload]) -> Payload:
    identity = device["identifiers"][0]
    return {
        "device": device | {"manufacturer": "listener", "sw_version": hello.version},
        "origin": {"name": "listener", "sw_version": hello.version, "support_url": SUPPORT_URL},
        "qos": 1,
        "components": {name: component | {"unique_id": f"{identity}_{name}"} for name, component in components.items()},
    }


def _daemon(topics: Topics, hello: Hello) -> Payload:
    """Describe the daemon. Its only entity never becomes unavailable: whether it is online."""
    device = {"identifiers": [_device_id(topics)], "name": topics.base, "model": "sound event daemon"}
    connection = {
        "platform": "binary_sensor",
        "name": "Connection",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": topics.daemon,
        "payload_on": "online",
        "payload_off": "offline",
    }
    return _payload(hello, device, {"connection": connection})


def _microphone(topics: Topics, hello: Hello, source: str, labels: Sequence[str], *, with_level: bool) -> Payload:
    device = {
        "identifiers": [_device_id(topics, source)],
        "name": source,
        "model": f"microphone, model {hello.model}",
        "via_device": _device_id(topics),
    }
    heard = _available(topics.daemon, topics.of(source, AVAILABILITY))
    components = {"event": _event(topics, hello, source) | heard, "last": _last(topics, source) | heard}
    components |= {f"label_{identifier(label)}": _label(topics, source, label) | heard for label in labels}
    components |= {"level": _level(topics, source) | heard} if with_level else {}
    reached = _available(topics.daemon)  # useful also while the microphone is away
    components |= {"problem": _problem(topics, source) | reached, "mute": _mute(topics, source) | reached}
    return _payload(hello, device, components)


def _available(*topics: str) -> Payload:
    return {"availability": [{"topic": topic} for topic in topics], "availability_mode": "all"}


def _event(topics: Topics, hello: Hello, source: str) -> Payload:
    return {
        "platform": "event",
        "name": "Sound",
        "icon": "mdi:ear-hearing",
        "state_topic": topics.of(source, DETECTED),
        "event_types": list(hello.labels),
    }


def _last(topics: Topics, source: str) -> Payload:
    return {
        "platform": "sensor",
        "name": "Last sound",
        "icon": "mdi:ear-hearing",
        "state_topic": topics.of(source, DETECTED),
        "value_template": "{{ value_json.event_type }}",
        "json_attributes_topic": topics.of(source, DETECTED),
    }


def _label(topics: Topics, source: str, label: str) -> Payload:
    return {
        "platform": "binary_sensor",
        "name": display_name(label),
        "device_class": DEVICE_CLASSES.get(label, "sound"),
        "state_topic": topics.of(source, label),
        "payload_on": "ON",
        "payload_off": "OFF",
        "expire_after": EXPIRE_AFTER_S,
    }


def _level(topics: Topics, source: str) -> Payload:
    return {
        "platform": "sensor",
        "name": "Level",
        "icon": "mdi:volume-high",
        "state_topic": topics.of(source, LEVEL),
        "value_template": "{{ value_json.level_dbfs }}",
        "unit_of_measurement": "dB",
        "state_class": "measurement",
        "suggested_display_precision": 0,
    }


def _problem(topics: Topics, source: str) -> Payload:
    """Describe the entity that is on while the microphone does not work; its attributes say why."""
    return {
        "platform": "binary_sensor",
        "name": "Microphone",
        "device_class": "problem",
        "entity_category": "diagnostic",
        "state_topic": topics.of(source, STATUS),
        "value_template": "{{ 'OFF' if value_json.state == 'listening' and not value_json.trouble else 'ON' }}",
        "payload_on": "ON",
        "payload_off": "OFF",
        "json_attributes_topic": topics.of(source, STATUS),
    }


def _mute(topics: Topics, source: str) -> Payload:
    return {
        "platform": "switch",
        "name": "Mute",
        "icon": "mdi:microphone-off",
        "command_topic": topics.of(source, SET),
        "payload_on": "ON",
        "payload_off": "OFF",
        "state_topic": topics.of(source, STATE),
        "value_template": "{{ 'ON' if value_json.muted else 'OFF' }}",
        "state_on": "ON",
        "state_off": "OFF",
    }


def display_name(label: str) -> str:
    """Return a label as a name: `dog_bark` as `Dog bark`. Names with capitals of their own keep them."""
    words = label.replace("_", " ")
    words = " ".join(ABBREVIATIONS.get(word, word) for word in words.split(" "))
    return words[:1].upper() + words[1:]
