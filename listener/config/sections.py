"""The sections that belong to no stage, source or sink, and the whole configuration."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from listener.base import registry
from listener.base.schema import Meta, Place, Section
from listener.pipeline.clipper import ClipConfig
from listener.pipeline.gates import GateConfig
from listener.pipeline.loudness import LoudConfig
from listener.pipeline.tracker import EventConfig, LabelConfig
from listener.routing.filters import FilterConfig

SYSTEM_FILE = Path("/etc/listener/config.toml")
SOCKET = "socket"  # was a kind of sink; such a section is still understood


class ModelConfig(Section, frozen=True):
    """Which model, and where it runs."""

    bundle: Annotated[
        str,
        Meta(description="the model: 'default', 'city' (more labels, not for commercial use), or a bundle's folder"),
    ] = "default"
    providers: Annotated[
        Literal["auto", "cpu", "cuda"], Meta(description="where the model runs: auto takes CUDA where it is; cpu; cuda")
    ] = "auto"


class DaemonConfig(Section, frozen=True):
    """The program itself."""

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="what the program says of itself, on stderr")
    ] = "info"
    socket: Annotated[
        bool | str,
        Meta(
            description="the control socket, which tail, watch, status, snooze and the page use: true, its path, or "
            "false for none"
        ),
    ] = True
    tcp: Annotated[
        str,
        Meta(
            description="also serve it on TCP, as 127.0.0.1:8790; any other address than loopback needs token_file; "
            "port 0: any; empty: no"
        ),
    ] = ""
    token_file: Annotated[
        str, Meta(description="file with the token that clients on TCP must send; or a systemd credential")
    ] = ""
    stall_s: Annotated[
        float, Meta(ge=0.05, le=86_400, description="disconnect a client that reads nothing for this long")
    ] = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """A source or sink as configured: its class, of which no object exists yet, and its section."""

    kind: str
    factory: Any
    config: Any
    when: FilterConfig = field(default_factory=FilterConfig)  # of a sink


@dataclass(frozen=True, slots=True)
class Config:
    """A whole, valid configuration."""

    path: Path | None
    daemon: DaemonConfig
    model: ModelConfig
    gate: GateConfig
    clips: ClipConfig
    events: EventConfig
    loud: LoudConfig
    labels: dict[str, LabelConfig]
    groups: dict[str, list[str]]
    sources: tuple[Part, ...]
    sinks: tuple[Part, ...]

    @property
    def outputs(self) -> list[tuple[Place, Part]]:
        """The sinks, and the control socket unless it is switched off, each with its place in the file."""
        found = [(Place(("sink", n), f"sink {n + 1} ({part.kind})"), part) for n, part in enumerate(self.sinks)]
        daemon = self.daemon
        if daemon.socket and all(part.kind != SOCKET for part in self.sinks):
            factory = registry.sink(SOCKET)
            path = daemon.socket if isinstance(daemon.socket, str) else ""
            section = factory.Config(path=path, tcp=daemon.tcp, token_file=daemon.token_file, stall_s=daemon.stall_s)
            found.append((Place(("daemon", "socket"), "daemon.socket"), Part(SOCKET, factory, section)))
        return found

    @property
    def filters(self) -> Iterator[tuple[Place, FilterConfig]]:
        """The filters of the sinks, each with its place in the file."""
        for number, sink in enumerate(self.sinks):
            yield Place(("sink", number, "when"), f"sink {number + 1} ({sink.kind}).when"), sink.when


SECTIONS: dict[str, type[Section]] = {
    "daemon": DaemonConfig,
    "model": ModelConfig,
    "gate": GateConfig,
    "clips": ClipConfig,
    "events": EventConfig,
    "loud": LoudConfig,
}
