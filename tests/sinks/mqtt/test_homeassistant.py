"""What Home Assistant is told, held against what its documentation says it takes."""

import json
import re
from typing import Any

import pytest

from listener.messages import Hello
from listener.sinks.mqtt import homeassistant
from listener.sinks.mqtt.homeassistant import announced, announcements, messages
from listener.sinks.mqtt.topics import Topics, identifier
from tests.raising import raises
from tests.sinks.messages import HELLO

# https://www.home-assistant.io/integrations/mqtt/ and the pages of its platforms, as of 2026.4.
COMMON = {
    *("availability", "availability_mode", "availability_topic", "availability_template"),
    *("payload_available", "payload_not_available", "platform", "unique_id", "name", "icon", "qos", "encoding"),
    *("entity_category", "enabled_by_default", "default_entity_id", "device_class", "entity_picture"),
    *("json_attributes_topic", "json_attributes_template", "device", "origin"),
}
SENSING = {"state_topic", "value_template", "expire_after", "force_update"}
KEYS = {
    "event": COMMON | {"state_topic", "event_types", "value_template"},
    "sensor": COMMON
    | SENSING
    | {"unit_of_measurement", "state_class", "options", "suggested_display_precision", "last_reset_value_template"},
    "binary_sensor": COMMON | SENSING | {"payload_on", "payload_off", "off_delay"},
    "switch": COMMON
    | {"command_topic", "command_template", "state_topic", "value_template", "payload_on", "payload_off"}
    | {"state_on", "state_off", "optimistic", "retain"},
}
REQUIRED = {
    "event": {"state_topic", "event_types"},
    "sensor": {"state_topic"},
    "binary_sensor": {"state_topic"},
    "switch": {"command_topic"},
}
DEVICE_CLASSES = {
    "event": {"button", "doorbell", "motion"},
    "sensor": {"sound_pressure"},
    "binary_sensor": {"sound", "smoke", "carbon_monoxide", "problem", "connectivity"},
    "switch": {"outlet", "switch"},
}
DEVICE = {
    *("identifiers", "connections", "name", "manufacturer", "model", "model_id", "serial_number", "hw_version"),
    *("sw_version", "suggested_area", "configuration_url", "via_device"),
}
ORIGIN = {"name", "sw_version", "support_url"}
ROOT = {
    *("device", "origin", "components", "qos", "encoding", "state_topic", "command_topic"),
    *("availability", "availability_mode", "availability_topic", "payload_available", "payload_not_available"),
}
ID = re.compile(r"[a-zA-Z0-9_-]+")


def hello(*sources: str, labels: tuple[str, ...] = ("smoke_alarm", "co_alarm", "dog_bark")) -> Hello:
    fields = {name: getattr(HELLO, name) for name in HELLO.__struct_fields__}
    return Hello(**fields | {"sources": list(sources), "labels": list(labels)})


def made(*sources: str, **changes: Any) -> dict[str, dict[str, Any]]:
    said = hello(*sources)
    options: dict[str, Any] = {"labels": said.labels, "prefix": "homeassistant", "with_level": True, "base": "listener"}
    options |= changes
    topics = Topics(options.pop("base"), said.sources, said.labels)
    return announcements(topics, said, options.pop("labels"), **options)


def check(topic: str, payload: dict[str, Any]) -> None:
    """Fail where Home Assistant would refuse it, or leave something of it out."""
    prefix, kind, device_id, last = topic.split("/")
    assert (prefix, kind, last) == ("homeassistant", "device", "config")
    assert ID.fullmatch(device_id)
    assert payload.keys() <= ROOT
    assert payload["device"].keys() <= DEVICE
    assert payload["device"]["identifiers"]
    assert payload["origin"].keys() <= ORIGIN
    assert payload["origin"]["name"]
    for name, component in payload["components"].items():
        check_component(name, component)


def check_component(name: str, component: dict[str, Any]) -> None:
    platform = component["platform"]
    assert ID.fullmatch(name)
    assert ID.fullmatch(component["unique_id"])
    assert component.keys() <= KEYS[platform]
    assert component.keys() >= REQUIRED[platform]
    assert component.get("device_class") in DEVICE_CLASSES[platform] | {None}
    assert component.get("entity_category") in {None, "diagnostic", "config"}
    assert component.get("availability_mode", "all") in {"all", "any", "latest"}
    for key in (key for key in component if key.endswith("_topic")):
        assert not set(component[key]) & set("+# ")
    for available in component.get("availability", []):
        assert available.keys() <= {"topic", "payload_available", "payload_not_available", "value_template"}


@pytest.mark.parametrize("sources", [("kitchen",), ("living room", "Küche", "a/b+c#")])
def test_all_that_is_announced_is_what_home_assistant_takes(sources: tuple[str, ...]) -> None:
    found = made(*sources)
    assert len(found) == 1 + len(sources)
    for topic, payload in found.items():
        check(topic, json.loads(json.dumps(payload)))
    ids = [component["unique_id"] for payload in found.values() for component in payload["components"].values()]
    assert len(ids) == len(set(ids))


def test_the_daemon_comes_first_and_each_microphone_is_reached_by_it() -> None:
    daemon, *microphones = made("kitchen", "attic").values()
    assert "via_device" not in daemon["device"]
    assert [payload["device"]["via_device"] for payload in microphones] == daemon["device"]["identifiers"] * 2


def test_two_daemons_never_share_an_announcement_whatever_their_bases() -> None:
    daemons = [made("kitchen", "-a", "a-"), made("kitchen", base="listener-"), made("oven", base="listener_kitchen")]
    assert len({topic for found in daemons for topic in found}) == 4 + 2 + 2


def test_what_was_announced_by_another_id_is_taken_back_before_it_is_announced_by_its_own() -> None:
    found = made("kitchen")
    before = {
        "homeassistant/device/listener/config": {},
        "homeassistant/device/listener_kitchen/config": {"event": "event"},
    }
    (taken_back, empty), *others = messages(found, before)
    assert (taken_back, empty) == ("homeassistant/device/listener_kitchen/config", b"")
    assert [topic for topic, _ in others] == [
        "homeassistant/device/listener/config",
        "homeassistant/device/listener--kitchen/config",
    ]


def test_a_microphone_has_an_event_sensors_of_alarms_a_problem_and_a_switch() -> None:
    _, payload = made("kitchen", labels=["smoke_alarm", "co_alarm", "dog_bark"]).values()
    parts = payload["components"]
    assert {name: part["platform"] for name, part in parts.items()} == {
        "event": "event",
        "last": "sensor",
        "label_smoke_alarm": "binary_sensor",
        "label_co_alarm": "binary_sensor",
        "label_dog_bark": "binary_sensor",
        "level": "sensor",
        "problem": "binary_sensor",
        "mute": "switch",
    }
    classes = [parts[f"label_{label}"]["device_class"] for label in ("smoke_alarm", "co_alarm", "dog_bark")]
    assert classes == ["smoke", "carbon_monoxide", "sound"]
    assert parts["event"]["event_types"] == ["smoke_alarm", "co_alarm", "dog_bark"]
    assert (parts["level"]["unit_of_measurement"], parts["level"]["state_class"]) == ("dB", "measurement")


def test_all_but_problem_and_mute_go_away_with_the_microphone() -> None:
    daemon, microphone = made("kitchen").values()
    with_microphone = {
        name
        for name, part in microphone["components"].items()
        if {"topic": "listener/kitchen/availability"} in part["availability"]
    }
    assert with_microphone == microphone["components"].keys() - {"problem", "mute"}
    assert all({"topic": "listener/status"} in part["availability"] for part in microphone["components"].values())
    assert all(part["availability_mode"] == "all" for part in microphone["components"].values())
    assert "availability" not in daemon["components"]["connection"]


@pytest.mark.parametrize(
    ("state", "trouble", "shown"),
    [("listening", "", "OFF"), ("listening", "only digital silence", "ON"), ("recovering", "", "ON")],
)
def test_a_microphone_is_a_problem_while_it_is_away_or_in_trouble(state: str, trouble: str, shown: str) -> None:
    _, microphone = made("kitchen").values()
    problem = microphone["components"]["problem"]
    template = pytest.importorskip("jinja2").Template(problem["value_template"])
    assert template.render(value_json={"state": state, "trouble": trouble}) == problem[f"payload_{shown.lower()}"]
    assert problem["json_attributes_topic"] == problem["state_topic"] == "listener/kitchen/status"


def test_without_levels_there_is_no_sensor_of_them() -> None:
    *_, microphone = made("kitchen", with_level=False).values()
    assert "level" not in microphone["components"]


def test_nothing_is_taken_back_of_what_is_still_there() -> None:
    found = made("kitchen")
    assert [topic for topic, _ in messages(found, announced(found))] == list(found)


def test_a_component_that_is_gone_is_published_once_with_only_its_platform() -> None:
    before, now = made("kitchen"), made("kitchen", labels=["smoke_alarm"])
    told = [json.loads(payload) for topic, payload in messages(now, announced(before)) if "kitchen" in topic]
    assert told[0]["components"]["label_dog_bark"] == {"platform": "binary_sensor"}
    assert "label_smoke_alarm" in told[0]["components"]
    assert "label_dog_bark" not in told[1]["components"]


def test_a_device_that_is_gone_has_its_announcement_emptied() -> None:
    gone = messages(made("kitchen"), announced(made("kitchen", "attic")))
    assert gone[0] == ("homeassistant/device/listener--attic/config", b"")


def test_names_that_differ_have_ids_that_differ() -> None:
    names = ["Küche", "Köche", "kitchen", "kitchen-1", "厨房", "客厅", "a b", "a.b"]
    assert len({identifier(name) for name in names}) == len(names)
    assert all(ID.fullmatch(identifier(name)) for name in names)


def test_what_means_something_in_a_topic_is_replaced() -> None:
    assert Topics("home/listener", ["a+b/c #"], []).of("a+b/c #", "event") == "home/listener/a_b_c__/event"


@pytest.mark.parametrize(
    ("sources", "labels", "code"),
    [
        (["a b", "a_b"], [], "mqtt-topic-shared"),
        (["a"], ["x/y", "x_y"], "mqtt-topic-shared"),
        (["a"], ["state"], "mqtt-topic-shared"),
    ],
)
def test_names_that_would_share_a_topic_are_refused(sources: list[str], labels: list[str], code: str) -> None:
    with raises(code):
        Topics("listener", sources, labels)


def test_the_support_address_is_one_that_a_browser_opens() -> None:
    assert homeassistant.SUPPORT_URL.startswith("https://")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("dog_bark", "Dog bark"),
        ("CO alarm", "CO alarm"),
        ("co_alarm", "CO alarm"),
        ("Feuerwehr", "Feuerwehr"),
        ("TV", "TV"),
    ],
)
def test_names_keep_the_capitals_that_their_owners_gave_them(label: str, name: str) -> None:
    assert homeassistant.display_name(label) == name
