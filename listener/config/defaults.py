"""config.toml: every option with its default, as comments."""

from collections.abc import Iterator

from listener.base import registry
from listener.base.schema import render
from listener.config.sections import SECTIONS
from listener.pipeline.tracker import LabelConfig
from listener.routing.filters import FilterConfig


def defaults() -> str:
    """Return config.toml: every option with its default, commented out."""
    return "\n".join(_default_lines()) + "\n"


def _default_lines() -> Iterator[str]:
    yield "# Every option of listener with its default. Remove the # from what you change."
    for name, section in SECTIONS.items():
        yield ""
        yield from render(section(), f"# {section.__doc__}\n[{name}]")
    yield ""
    yield from (f"# {line}" if line else "#" for line in render(LabelConfig(), "[labels.dog_bark]"))
    yield '\n# Groups of labels of your own; the model brings some.\n# [groups]\n# pets = ["dog_bark"]'
    for what, table in (("source", registry.SOURCES), ("sink", registry.SINKS)):
        for kind in table:
            factory = getattr(registry, what)(kind)
            yield ""
            yield from render(factory.Config(), f'# {factory.__doc__.splitlines()[0]}\n# [[{what}]]\n# kind = "{kind}"')
    yield ""
    yield from render(FilterConfig(), f"# {FilterConfig.__doc__} Of every sink.\n# [sink.when]")
