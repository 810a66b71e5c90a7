"""docs/configuration.md, from the structs that read the configuration: `python -m scripts.make_configuration`."""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from listener.base import registry
from listener.base.schema import Meta, Section
from listener.config import SECTIONS
from listener.pipeline.tracker import LabelConfig
from listener.routing.filters import FilterConfig

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"

HEAD = """\
# Configuration

This page lists every section and key. It is generated from the program (`make docs`). The file `config.toml` in the
checkout contains the same as a file to copy.

The configuration is a TOML file: `--config FILE`, else `~/.config/listener/config.toml`, else
`/etc/listener/config.toml`, else the defaults. A key that is left out has its default. `listener run --set
gate.kind=bands` overrides one key for one run. `listener check` reports errors, or prints what would run.
`listener check --defaults` prints a file with all defaults.

Without a `[[source]]` the default microphone is used. Without a `[[sink]]` events go to the terminal. The control
socket, which `tail`, `watch`, `status`, `snooze` and the page use, is on unless `[daemon] socket` switches it off. Each
example below shows one part.

| Term | Meaning |
| --- | --- |
| gate | Passes audio to the model only while there is something to hear. It saves power. |
| floor | The background level that the gate tracks. It follows a fall at once, and a rise slowly. |
| clip | The audio that the model sees at a time: 3 s, the newest sound last |
| hop | The time from one clip to the next |
| bundle | A folder with a model, its labels, groups and thresholds |

The setting `clips` of the history sink means something else: recordings of events.
"""

LABELS = """\
## [labels.NAME]

What is special about one label of the model, under the name that the model gives it. What is left out comes from the
model's bundle. With `name`, everything but this section and `[groups]` takes the new name: `when`, `clips`, snooze,
`tail`, the history, MQTT ([events.md](events.md#labels-and-groups)).

```toml
[labels.dog_bark]
on = 0.95         # surer
cooldown_s = 60   # at most one a minute
```
"""

GROUPS = """\
## [groups]

Names for several labels, which `when`, `listener snooze` and `listener history --group` take like a label. Labels are
written here under the model's names. The model brings some groups ([which](events.md#labels-and-groups)); one of yours
with the name of one takes its place.

```toml
[groups]
pets = ["dog_bark", "rooster"]
```
"""

WHEN = """\
## [sink.when]

Which events a sink gets; every sink takes it. What is left out asks for nothing.

```toml
[[sink]]
kind = "command"
run = ["notify-send", "Something is beeping"]
when = { labels = ["alarm", "appliance_beep"], min_score = 0.8, hours = "22:00-06:30", cooldown_s = 300 }
```
"""

# One for each part, as somebody would write it.
EXAMPLES = {
    "source microphone": 'kind = "microphone"\nname = "kitchen"\ndevice = "USB"\nwait = true',
    "source command": (
        'kind = "command"\nname = "garden"\ncommand = ["ffmpeg", "-loglevel", "error", "-i", "rtsp://camera/audio", '
        '"-f", "s16le", "-ac", "1", "-ar", "16000", "-"]'
    ),
    "source stdin": 'kind = "stdin"\nformat = "s16le"\nrate = 48000',
    "source file": 'kind = "file"\npath = "holiday.wav"\nrealtime = true',
    "sink console": 'kind = "console"\njson = true',
    "sink log": 'kind = "log"\npath = "/var/log/listener/events.jsonl"\nmax_mb = 50',
    "sink command": 'kind = "command"\nrun = ["/usr/local/bin/bark.sh"]\nwhen = { labels = ["dog_bark"] }',
    "sink webhook": (
        'kind = "webhook"\ntemplate = "ntfy"\nurl = "https://ntfy.sh/your-topic"\n'
        'when = { labels = ["alarm"], min_score = 0.9 }'
    ),
    "sink mqtt": (
        'kind = "mqtt"\nhost = "homeassistant.local"\nuser = "listener"\n'
        'password_file = "~/.config/listener/mqtt-password"'
    ),
    "sink history": 'kind = "history"\nkeep_days = 90\nclips = ["alarm"]',
    "sink prometheus": 'kind = "prometheus"',
    "sink web": 'kind = "web"',
}

MORE = {
    "sink command": "scripts.md",
    "sink webhook": "webhooks.md",
    "sink mqtt": "mqtt.md",
    "sink history": "history.md",
    "sink prometheus": "prometheus.md",
    "sink web": "web.md",
}

SIMPLE = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    for name, section in SECTIONS.items():
        yield f"## [{name}]\n\n{section.__doc__}\n"
        yield from _table(section)
    yield LABELS
    yield from _table(LabelConfig)
    yield GROUPS
    for what, kinds in (("source", registry.SOURCES), ("sink", registry.SINKS)):
        yield f"## [[{what}]]\n"
        for kind in kinds:
            yield from _part(what, kind)
    yield WHEN
    yield from _table(FilterConfig)


def _part(what: str, kind: str) -> Iterator[str]:
    factory = getattr(registry, what)(kind)
    more = MORE.get(f"{what} {kind}")
    yield f"### {kind}\n\n{factory.__doc__.splitlines()[0]}" + (f" More in [{more}]({more}).\n" if more else "\n")
    yield f"```toml\n[[{what}]]\n{EXAMPLES[f'{what} {kind}']}\n```\n"
    yield from _table(factory.Config)


def _table(section: type[Section]) -> Iterator[str]:
    yield "| key | is | default | |"
    yield "| --- | --- | --- | --- |"
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        hint = hints[field.name]
        meaning = next((meta.description for meta in _metas(hint) if meta.description), "")
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        shown = "not set" if default is None else f"`{msgspec.json.encode(default).decode()}`"
        yield f"| `{field.name}` | {_kind(hint)} | {shown} | {meaning} |".replace("  |", " |")
    yield ""


def _kind(hint: Any) -> str:
    """What a value is, in words, with its range."""
    ranges = "".join(_range(meta) for meta in _metas(hint))
    return f"{_bare(hint)}{ranges}"


def _bare(hint: Any) -> str:
    origin, of = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bare(of[0])
    if origin in (Union, UnionType):
        return " or ".join(_bare(part) for part in of if part is not NoneType)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in of)
    if origin in (tuple, list):
        return f"list of {_bare(of[0])}"
    if origin is dict:
        return "table"
    return SIMPLE[hint]


def _metas(hint: Any) -> Iterator[Meta]:
    """The bounds and the meaning of a field, those of its inner types included."""
    for part in get_args(hint):
        if isinstance(part, Meta):
            yield part
        else:
            yield from _metas(part)


def _range(meta: Meta) -> str:
    bounds = ((meta.ge, "from {}"), (meta.gt, "over {}"), (meta.le, "to {}"), (meta.lt, "below {}"))
    said = " ".join(text.format(f"{bound:g}") for bound, text in bounds if bound is not None)
    return f", {said}" if said else ""


if __name__ == "__main__":
    main()
