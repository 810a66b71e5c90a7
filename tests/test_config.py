"""The configuration: every error is reported, with its line, its key and the nearest valid name."""

import tomllib
from pathlib import Path

import pytest

from listener import config as configuration
from listener.errors import ConfigError, ConfigErrors
from listener.pipeline.bundle import Bundle, LabelInfo, LabelRule
from tests.conftest import with_manifest

ROOT = Path(__file__).resolve().parents[1]
MICROPHONE = "[[source]]\nkind = 'microphone'\n"
STDIN = "[[source]]\nkind = 'stdin'\n"


def load(text: str, tmp_path: Path, *overrides: str) -> configuration.Config:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return configuration.load(path, overrides)


def error(text: str, tmp_path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    return caught.value


@pytest.mark.parametrize(
    ("text", "where", "code", "remedy"),
    [
        ("[gate]\n\nknd = 'bands'", "3: gate.knd", "config-key-unknown", "'kind'"),
        ("[gates]\nkind = 'bands'", "1: gates", "config-key-unknown", "'gate'"),
        ("[gate]\nkind = 'band'", "2: gate.kind", "config-value", "'bands'"),
        ("[clips]\nhop_s = 'fast'", "2: clips.hop_s", "config-value", ""),
        ("[clips]\nhop_s = '1'", "2: clips.hop_s", "config-value", "quotes"),
        ("[clips]\nhop_s = 9", "2: clips.hop_s", "config-value", ""),
        ("gate.rise_db = true", "1: gate.rise_db", "config-value", ""),
        ("gate = 3", "1: gate", "config-value", "[gate]"),
        ("[source]\nkind = 'file'", "1: source", "config-value", "[[source]]"),
        ("[[source]]\nname = 'x'", "1: source 1", "part-kind-missing", "kind"),
        ("source = [3]", "1: source 1", "part-kind-missing", "kind"),
        ("[[source]]\nkind = 'microfone'", "1: source 1 (microfone)", "part-kind-unknown", "'microphone'"),
        ("[[sink]]\nkind = 'webhok'", "1: sink 1 (webhok)", "part-kind-unknown", "'webhook'"),
        ("[[sink]]\nkind = 'socket'\npth = 'x'", "3: sink 1 (socket).pth", "config-key-unknown", "'path'"),
        (f"{STDIN}[[source]]\nkind = 'file'", "3: source 2 (file)", "source-path-missing", ""),
        (f"{MICROPHONE}{MICROPHONE}", "3: source 2 (microphone).name", "name-duplicate", ""),
        (f"{STDIN}name = 'all'", "3: source 1 (stdin).name", "name-reserved", ""),
        ("[labels.rooster]\nname = 'all'", "2: labels.rooster.name", "name-reserved", ""),
        ("[labels.rooster]\nname = ''", "2: labels.rooster.name", "name-reserved", ""),
        ("[groups]\nall = ['rooster']", "2: groups.all", "name-reserved", ""),
        ("[clips]\nfirst_s = 1.0", "2: clips.first_s", "clips-contradiction", ""),
        ("[labels.dog_bark]\nonn = 0.5", "2: labels.dog_bark.onn", "config-key-unknown", "'on'"),
        ("[labels]\ndog_bark = 1", "2: labels.dog_bark", "config-value", "[labels.dog_bark]"),
        ("[groups]\npets = 'dog_bark'", "2: groups.pets", "config-value", '["dog_bark"]'),
        ("source = []", "1: source", "source-none", ""),
        (
            "[[sink]]\nkind = 'log'\nwhen = { phases = ['begin'] }",
            "3: sink 1 (log).when.phases",
            "config-value",
            "update",
        ),
        ("[[sink]]\nkind = 'log'\n[sink.when]\nhours = 'late'", "4: sink 1 (log).when.hours", "", ""),
        (
            "[[sink]]\nkind = 'log'\n[sink.when]\nscore = 1",
            "4: sink 1 (log).when.score",
            "config-key-unknown",
            "'min_score'",
        ),
        (
            f"{STDIN}[[sink]]\nkind = 'log'\nwhen.sources = ['stdn']",
            "5: sink 1 (log).when.sources",
            "source-unknown",
            "'stdin'",
        ),
    ],
)
def test_an_error_has_a_line_a_key_and_a_remedy(text: str, where: str, code: str, remedy: str, tmp_path: Path) -> None:
    found = error(text, tmp_path)
    assert not isinstance(found, ConfigErrors)
    assert found.message.startswith(f"{tmp_path}/config.toml:{where}: ")
    assert found.code == code or not code
    assert remedy in found.remedy


def test_two_sources_cannot_both_read_standard_input(tmp_path: Path) -> None:
    assert error(f"{STDIN}{STDIN}name = 'two'", tmp_path).code == "part-conflict"


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        "[gate]\nknd = 'bands'\nrise_db = 'x'\n[events]\nsmoothing = 2\n[groups]\npets = 3\n"
        "[labels.siren]\non = 'high'\n"
        "[[source]]\nkind = 'file'\nlop = true\n[[sink]]\nkind = 'log'\npth = 'x'\n[sink.when]\nhours = 'late'\n"
    )
    found = error(text, tmp_path)
    assert isinstance(found, ConfigErrors)
    lines = [int(each.message.split(":")[1]) for each in found.errors]
    assert sorted(lines) == [2, 3, 5, 7, 9, 12, 15, 17]
    assert str(found).count("\n") == 7


@pytest.mark.parametrize("text", ["[gate\n", "x = " + 5000 * "9", "x = " + 5000 * "[", "[" + 5000 * "a." + "a]"])
def test_what_is_not_toml_is_an_error(text: str, tmp_path: Path) -> None:
    assert error(text, tmp_path).code in ("toml-invalid", "config-key-unknown")


def test_a_huge_number_in_an_override_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        configuration.load(None, ["gate.rise_db=" + 5000 * "9"])
    assert caught.value.code == "config-value"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration.load(tmp_path / "absent.toml")
    assert caught.value.code == "file-unreadable"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_saved_on_windows_is_read(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes('[gate]\r\nkind = "open"\r\n'.encode(encoding))
    assert configuration.load(tmp_path / "config.toml").gate.kind == "open"


def test_an_override_wins_over_the_file(tmp_path: Path) -> None:
    config = load("[gate]\nkind = 'open'", tmp_path, "gate.kind=bands", "clips.hop_s=1.0")
    assert (config.gate.kind, config.clips.hop_s) == ("bands", 1.0)


@pytest.mark.parametrize("override", ["gate", "kind=bands", "gate.=x", "gate.kind.x=1"])
def test_an_override_that_is_not_a_setting_is_an_error(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load("[gate]\nkind = 'open'", tmp_path, override)
    assert caught.value.code == "override-invalid"


def test_a_user_without_a_home_has_the_systems_configuration_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "~nobody-of-this-name")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert configuration.find() in (None, configuration.SYSTEM_FILE, Path("~nobody-of-this-name/.config"))


def test_config_toml_is_every_option_with_its_default() -> None:
    assert (ROOT / "config.toml").read_text() == configuration.defaults(), "make config.toml"


def test_config_toml_with_its_options_uncommented_is_the_defaults(tmp_path: Path) -> None:
    lines = configuration.defaults().split("# [[source]]")[0].split("# [labels")[0].splitlines()
    text = "\n".join(line.removeprefix("# ") if " = " in line else line for line in lines)
    assert set(tomllib.loads(text)) == set(configuration.SECTIONS)
    changed, plain = load(text, tmp_path), configuration.load(None)
    for name in configuration.SECTIONS:
        assert getattr(changed, name) == getattr(plain, name)


def test_a_rule_of_the_configuration_changes_that_of_the_bundle(tiny: Bundle, tmp_path: Path) -> None:
    rule = configuration.rules(load("[labels.hiss]\non = 0.9\nrepeat_s = 4", tmp_path), tiny)["hiss"]
    assert (rule.on, rule.off, rule.hold_s, rule.repeat_s, rule.frame) == (0.9, 0.5, 1.0, 4.0, 0.5)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("[labels.hiss]\non = 0.3", ["threshold-order"]),
        ("[labels.hiss]\non = 0.5", ["threshold-order"]),
        ("[labels.hiss]\nname = 'x'\n[labels.hum]\nname = 'x'", ["name-duplicate"]),
        ("[labels.hiss]\nname = 'hum'", ["name-duplicate"]),
        ("[loud]\nenabled = true\n[labels.hiss]\nname = 'loud'", ["name-duplicate"]),
        ("[labels.hiss]\non = 0.3\n[labels.hum]\non = 0.2", ["threshold-order", "threshold-order"]),
    ],
)
def test_rules_that_the_bundle_makes_impossible_are_errors(
    text: str, codes: list[str], tiny: Bundle, tmp_path: Path
) -> None:
    config = load(text, tmp_path)
    with pytest.raises(ConfigError) as caught:
        configuration.rules(config, tiny)
    assert [each.code for each in getattr(caught.value, "errors", [caught.value])] == codes


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("", 0.6),
        ('[events]\nsensitivity = "low"', 0.9),
        ('[events]\nsensitivity = "low"\n[labels.hiss]\nsensitivity = "high"', 0.52),
        ('[labels.hiss]\nsensitivity = "low"\non = 0.8', 0.8),
    ],
)
def test_sensitivity_chooses_a_threshold_of_the_bundle(text: str, on: float, tiny: Bundle, tmp_path: Path) -> None:
    bundle = with_manifest(tiny, about={"hiss": LabelInfo(thresholds={"low": 0.9, "high": 0.52})})
    rules = configuration.rules(load(text, tmp_path), bundle)
    assert rules["hiss"].on == pytest.approx(on)
    assert rules["hum"] == LabelRule()


def test_a_label_that_the_model_only_knows_is_reported_on_request(tiny: Bundle, tmp_path: Path) -> None:
    bundle = with_manifest(tiny, about={"hum": LabelInfo(kind="known"), "hiss": LabelInfo(kind="urgent")})
    assert list(configuration.rules(load("", tmp_path), bundle)) == ["hiss", "nothing"]
    assert list(configuration.rules(load("[labels.hum]\nenabled = true", tmp_path), bundle)) == list(bundle.labels)


def test_a_label_that_is_switched_off_has_no_rule_and_no_name(tiny: Bundle, tmp_path: Path) -> None:
    config = load("[labels.hum]\nenabled = false\n[labels.hiss]\nname = 'hum'", tmp_path)
    assert configuration.event_labels(config, tiny) == ["hum", "nothing"]


def test_a_label_that_the_model_lacks_is_a_mismatch_with_a_suggestion(tiny: Bundle, tmp_path: Path) -> None:
    when = "[[sink]]\nkind = 'log'\nwhen.labels = ['Hum', 'loud']"
    config = load(f"[labels.his]\non = 0.5\n[groups]\npets = ['hissing']\n{when}", tmp_path)
    found = configuration.mismatches(config, tiny)
    assert [each.code for each in found] == 4 * ["label-unknown"]
    assert [each.message.split(":")[1] for each in found] == ["1", "4", "7", "7"]
    assert "'hiss'" in found[0].remedy
    assert "'hum'" in found[2].remedy
    assert "loud.enabled" in found[3].remedy


@pytest.mark.parametrize("name", ["kettle", "mine"])
def test_a_source_with_the_name_of_a_label_or_group_is_a_mismatch(name: str, tiny: Bundle, tmp_path: Path) -> None:
    labels = "[labels.hiss]\nname = 'kettle'\n[groups]\nmine = ['hiss']"
    config = load(f"{labels}\n[[source]]\nkind = 'microphone'\nname = '{name}'", tmp_path)
    (found,) = configuration.mismatches(config, tiny)
    assert found.code == "name-shared"
    assert f":7: source.name: {name!r} " in found.message


def test_groups_have_labels_under_their_reported_names(tiny: Bundle, tmp_path: Path) -> None:
    config = load("[labels.hiss]\nname = 'kettle'\n[groups]\nmine = ['hiss']", tmp_path)
    assert configuration.groups(config, tiny) == {"all": ["kettle", "hum", "nothing"], "mine": ["kettle"]}


def test_a_sink_of_ones_own_leaves_the_control_socket_on(tmp_path: Path) -> None:
    config = load('[[sink]]\nkind = "log"\n', tmp_path)
    assert [part.kind for _, part in config.outputs] == ["log", "socket"]


@pytest.mark.parametrize("value", ["false", '""'])
def test_the_control_socket_can_be_switched_off(value: str, tmp_path: Path) -> None:
    config = load(f"[daemon]\nsocket = {value}\n", tmp_path)
    assert [part.kind for _, part in config.outputs] == ["console"]


def test_the_control_socket_takes_its_settings_from_the_daemon_section(tmp_path: Path) -> None:
    config = load('[daemon]\nsocket = "/run/s"\ntcp = "127.0.0.1:0"\nstall_s = 5\n', tmp_path)
    (socket,) = (part.config for _, part in config.outputs if part.kind == "socket")
    assert (socket.path, socket.tcp, socket.stall_s) == ("/run/s", "127.0.0.1:0", 5)


def test_a_socket_section_among_the_sinks_is_understood_with_a_warning(tmp_path: Path) -> None:
    config = load('[[sink]]\nkind = "socket"\npath = "/run/s"\n', tmp_path)
    assert [part.config.path for _, part in config.outputs] == ["/run/s"]
    (warning,) = configuration.deprecations(config)
    assert (warning.code, warning.key) == ("sink-socket-moved", ("sink", 0))
