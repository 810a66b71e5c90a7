"""The configuration: what is wrong is said in one line that names the key and the nearest valid name."""

import tomllib
from pathlib import Path

import pytest

from listener import config as configuration
from listener.errors import ConfigError
from listener.pipeline.bundle import Bundle

ROOT = Path(__file__).resolve().parents[1]


def load(text: str, tmp_path: Path, *overrides: str) -> configuration.Config:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return configuration.load(path, overrides)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[gate]\nknd = 'bands'", "gate.knd: unknown key; did you mean 'kind'?"),
        ("[gates]\nkind = 'bands'", "gates: unknown key; did you mean 'gate'?"),
        ("[gate]\nkind = 'band'", "gate.kind: invalid enum value 'band'; valid are: bands, either, open, webrtc"),
        ("[clips]\nhop_s = 'fast'", "clips.hop_s: expected `float`, got `str`"),
        ("[clips]\nhop_s = 9", "clips.hop_s: expected `float` <= 3"),
        ("gate = 3", "gate: write it as [gate]"),
        ("[source]\nkind = 'file'", "source: write it as [[source]]"),
        ("[[source]]\nname = 'x'", "source 1: a [[source]] needs a kind"),
        ("[[source]]\nkind = 'microfone'", "no source is called 'microfone'; did you mean 'microphone'?"),
        ("[[sink]]\nkind = 'sockt'", "no sink is called 'sockt'; did you mean 'socket'?"),
        ("[[sink]]\nkind = 'socket'\npth = 'x'", "sink 1 (socket).pth: unknown key; did you mean 'path'?"),
        ("[[source]]\nkind = 'microphone'\n[[source]]\nkind = 'microphone'", "two sources are called 'microphone'"),
        (
            "[[source]]\nkind = 'microphone'\nname = 'all'",
            "a snooze of 'all' is of every source; give this one another",
        ),
        (
            "[[source]]\nkind = 'stdin'\n[[source]]\nkind = 'stdin'\nname = 'two'",
            "source 2 (stdin): standard input is used by source 1 (stdin) already",
        ),
        ("[labels.rooster]\nname = 'all'", "labels.rooster.name: a snooze of 'all' is of everything"),
        ("[groups]\nall = ['rooster']", "groups.all: a snooze of 'all' is of everything; give it another name"),
        ("[labels.rooster]\nname = ''", "labels.rooster.name: it is empty; write a name, or leave it out"),
        ("[clips]\nfirst_s = 1.0", "clips.first_s: 1.0 is more than clips.hop_s, 0.5"),
        ("[labels.dog_bark]\nonn = 0.5", "labels.dog_bark.onn: unknown key; did you mean 'on'?"),
        ("[labels]\ndog_bark = 1", "labels.dog_bark: write it as [labels.dog_bark]"),
        ("[groups]\npets = 'dog_bark'", "groups: a group is a list of labels"),
        ("source = []", "source: there is none"),
        ("[gate\n", "not TOML"),
    ],
)
def test_a_fault_is_one_line_with_file_key_and_remedy(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    message = str(caught.value)
    assert says in message
    assert message.startswith(str(tmp_path / "config.toml"))
    assert "\n" not in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        configuration.load(tmp_path / "absent.toml")


def test_an_override_wins_over_the_file(tmp_path: Path) -> None:
    config = load("[gate]\nkind = 'open'", tmp_path, "gate.kind=bands", "clips.hop_s=1.0")
    assert (config.gate.kind, config.clips.hop_s) == ("bands", 1.0)


@pytest.mark.parametrize("override", ["gate", "kind=bands", "gate.=x"])
def test_an_override_that_is_none_says_how_one_looks(override: str) -> None:
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        configuration.load(None, [override])


def test_config_toml_is_every_option_with_its_default() -> None:
    assert (ROOT / "config.toml").read_text() == configuration.defaults(), "make config.toml"


def test_config_toml_with_its_options_uncommented_is_the_defaults(tmp_path: Path) -> None:
    lines = configuration.defaults().splitlines()
    uncommented = [line.removeprefix("# ") if " = " in line and not line.startswith("# #") else line for line in lines]
    sections = "\n".join(uncommented).split("# [[source]]")[0].split("# [labels")[0]
    document = tomllib.loads(sections.rsplit("# What is special", 1)[0])
    assert set(document) == set(configuration.SECTIONS)
    changed, plain = load(sections.rsplit("# What is special", 1)[0], tmp_path), configuration.load(None)
    for name in configuration.SECTIONS:
        assert getattr(changed, name) == getattr(plain, name)


def test_the_users_rule_is_laid_over_the_bundles(tiny: Bundle, tmp_path: Path) -> None:
    rule = configuration.rules(load("[labels.hiss]\non = 0.9\nrepeat_s = 4", tmp_path), tiny)["hiss"]
    assert (rule.on, rule.off, rule.hold_s, rule.repeat_s, rule.frame) == (0.9, 0.5, 1.0, 4.0, 0.5)


def test_thresholds_the_wrong_way_round_are_refused(tiny: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels.hiss: off \(0.5\) must be less than on \(0.3\)"):
        configuration.rules(load("[labels.hiss]\non = 0.3", tmp_path), tiny)


def test_a_label_that_is_switched_off_has_no_rule(tiny: Bundle, tmp_path: Path) -> None:
    assert "hum" not in configuration.rules(load("[labels.hum]\nenabled = false", tmp_path), tiny)


def test_a_label_that_the_model_lacks_is_named_with_the_nearest(tiny: Bundle, tmp_path: Path) -> None:
    config = load("[labels.his]\non = 0.5\n[groups]\npets = ['hissing']", tmp_path)
    faults = configuration.strangers(config, tiny)
    assert len(faults) == 2
    assert faults[0].endswith("labels.his: model tiny has no label 'his'; did you mean 'hiss'?")


@pytest.mark.parametrize("name", ["kettle", "mine"])
def test_a_source_named_like_a_label_or_a_group_is_said_to_be(name: str, tiny: Bundle, tmp_path: Path) -> None:
    labels = "[labels.hiss]\nname = 'kettle'\n[groups]\nmine = ['hiss']"
    config = load(f"{labels}\n[[source]]\nkind = 'microphone'\nname = '{name}'", tmp_path)
    assert configuration.strangers(config, tiny) == [
        f"{tmp_path}/config.toml: source.name: '{name}' is a label or group too; "
        "a snooze of one would silence both: rename it"
    ]


def test_groups_are_of_labels_under_the_names_they_are_reported_under(tiny: Bundle, tmp_path: Path) -> None:
    config = load("[labels.hiss]\nname = 'kettle'\n[groups]\nmine = ['hiss']", tmp_path)
    assert configuration.groups(config, tiny) == {"all": ["kettle", "hum", "nothing"], "mine": ["kettle"]}


@pytest.mark.parametrize("text", ["[labels.hiss]\nname = 'x'\n[labels.hum]\nname = 'x'", "[labels.hiss]\nname = 'hum'"])
def test_two_labels_may_not_be_reported_under_one_name(text: str, tiny: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another label is reported as"):
        configuration.rules(load(text, tmp_path), tiny)


@pytest.mark.parametrize(
    ("when", "complaint"),
    [
        ('phases = ["begin"]', r"sink 1 \(log\)\.when\.phases.*valid are: end, start, update"),
        ('sources = ["kichen"]', r"no source 'kichen'; did you mean 'kitchen'"),
        ('hours = "late"', r"sink 1 \(log\)\.when\.hours: 'late' is no stretch of the day"),
        ("score = 1", r"sink 1 \(log\)\.when\.score: unknown key"),
    ],
)
def test_what_is_wrong_with_a_filter_is_named(tmp_path: Path, when: str, complaint: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[[source]]\nkind = "microphone"\nname = "kitchen"\n[[sink]]\nkind = "log"\n[sink.when]\n{when}\n')
    with pytest.raises(ConfigError, match=complaint):
        configuration.load(path)
