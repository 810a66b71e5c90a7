"""The table of labels names what exists, and says which labels a sound is."""

import csv

import pytest

from models.data.labels import BY_ID, CITY, DEFAULT, TABLE, label_of, positives, unsure
from models.data.mixing import ALARMS, NOISE_LIKE, VARIANTS, Mixing
from models.data.synthesis import GENERATORS
from models.evaluation.yamnet import CLASS_MAP

FORMER = (
    "air_conditioner", "baby_cry", "car_horn", "chainsaw", "children_playing", "clock_tick", "dog_bark", "drilling",
    "engine_idling", "fire_crackling", "gun_shot", "helicopter", "jackhammer", "rain", "rooster", "sea_waves", "siren",
    "sneeze", "street_music", "speech", "music", "smoke_alarm", "co_alarm", "doorbell", "telephone_ring",
    "appliance_beep",
)  # fmt: skip


def test_every_label_that_another_names_is_in_the_table() -> None:
    assert {other for label in TABLE for other in (*label.akin, *label.parts)} <= set(BY_ID)
    assert {*ALARMS, *NOISE_LIKE} <= set(BY_ID)
    assert set(Mixing().label_weights) <= set(BY_ID)


def test_no_label_is_there_twice() -> None:
    assert len(BY_ID) == len(TABLE)


@pytest.mark.parametrize("label", FORMER)
def test_every_label_of_earlier_bundles_is_still_answered(label: str) -> None:
    assert label_of(label) in CITY


def test_the_default_bundle_has_no_label_of_the_city() -> None:
    assert set(CITY) - set(DEFAULT) == {
        "air_conditioner", "children_playing", "drilling", "jackhammer", "gun_shot"
    }  # fmt: skip


def test_what_is_synthesised_can_be() -> None:
    assert set(VARIANTS) <= set(GENERATORS)


@pytest.mark.skipif(not CLASS_MAP.is_file(), reason="YAMNet's class map is not here")
def test_every_audioset_name_exists() -> None:
    with CLASS_MAP.open(newline="") as lines:
        names = {row["display_name"] for row in csv.DictReader(lines)}
    assert {name for label in TABLE for name in label.yamnet} <= names


def test_synonyms_are_one_label() -> None:
    assert positives("engine_idling", CITY) == positives("engine", CITY) == {"engine"}


def test_a_smoke_alarm_is_an_alarm_and_an_alarm_need_not_be_one() -> None:
    assert positives("smoke_alarm", CITY) == {"smoke_alarm", "alarm"}
    assert positives("car_alarm", CITY) == {"alarm"}
    assert "smoke_alarm" in unsure("car_alarm", CITY)
    assert "alarm" not in unsure("smoke_alarm", CITY)


def test_a_distractor_is_no_label_and_may_make_others_unsure() -> None:
    assert positives("person_imitating_cat", CITY) == set()
    assert unsure("person_imitating_cat", CITY) == {"cat_meow", "speech", "baby_cry"}
    assert unsure("thud", CITY) == set()


def test_a_label_that_is_not_asked_for_is_a_distractor() -> None:
    assert positives("smoke_alarm", ("rain",)) == set()
    assert unsure("thunder", ("rain", "siren")) == set()
    assert unsure("thunder", ("rain", "thunder")) == {"rain"}
