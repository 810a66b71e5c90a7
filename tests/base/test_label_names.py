"""Labels as people type them."""

import pytest

from listener.base.label_names import resolve_label, suggestion
from listener.errors import ConfigError

KNOWN = ("dog_bark", "smoke_alarm", "co_alarm", "alarm", "glass_break", "siren", "Kitchen")


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("dog_bark", "dog_bark"),
        ("Dog bark", "dog_bark"),
        ("dog-barks", "dog_bark"),
        ("dog", "dog_bark"),
        ("dogs", "dog_bark"),
        ("smoke alarm", "smoke_alarm"),
        ("  fire  alarm ", "smoke_alarm"),
        ("carbon monoxide", "co_alarm"),
        ("sirens", "siren"),
        ("kitchen", "Kitchen"),
    ],
)
def test_natural_names_are_understood(typed: str, label: str) -> None:
    assert resolve_label(typed, KNOWN) == label


@pytest.mark.parametrize(("typed", "remedy"), [("cat", "alarm"), ("smok_alrm", "'smoke_alarm'"), ("sirene", "'siren'")])
def test_a_name_that_means_no_label_is_an_error_with_a_suggestion(typed: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_label(typed, KNOWN)
    assert caught.value.code == "label-unknown"
    assert remedy in caught.value.remedy


def test_a_synonym_of_a_label_that_is_not_there_is_not_understood() -> None:
    with pytest.raises(ConfigError):
        resolve_label("dog", ["siren"])


def test_without_valid_names_nothing_is_suggested() -> None:
    assert suggestion("x", []) == ""
