"""Whether this machine gives us audio at all: libraries, permissions, devices."""

import os
import socket
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from listener.base import paths
from listener.config import Config
from listener.doctor.finding import Finding, Severity, from_error
from listener.errors import SourceError
from listener.sources import devices
from listener.sources.devices import InputDevice

LISTING_S = 8.0  # a machine with many cards takes seconds; a frozen sound server takes for ever
CONNECT_S = 1.0
CARDS = Path("/dev/snd")
PACKAGES = {"sounddevice": "sounddevice", "pyaudio": "PyAudio"}
INSTALL = {"sounddevice": "pip install sounddevice", "pyaudio": "pip install 'listener[pyaudio]'"}


def libraries(config: Config) -> Iterator[Finding]:
    """Which of the two libraries that open a microphone are installed."""
    wanted = _backends(config)
    for backend, package in PACKAGES.items():
        try:
            yield Finding("libraries", Severity.OK, f"{package} {version(package)}")
        except PackageNotFoundError:
            if backend in wanted:
                yield Finding("libraries", Severity.PROBLEM, f"{package} is not installed", f"run: {INSTALL[backend]}")
            elif backend == "pyaudio":
                yield Finding("libraries", Severity.NOTE, "PyAudio is not installed; only backend = 'pyaudio' needs it")


def permissions(cards: Path = CARDS) -> Iterator[Finding]:
    """Whether we may use the sound cards, or a sound server."""
    server = list(_server())
    yield from server
    served = any(finding.level is Severity.OK for finding in server)
    if os.geteuid() == 0 and not served:
        text = "running as root; a desktop's sound server is its user's, and root is not let in"
        yield Finding("permissions", Severity.NOTE, text, "on a desktop run listener as that user")
    nodes = sorted(cards.glob("pcm*c")) if cards.is_dir() else []
    if not nodes:
        remedy = "plug a microphone in; in a container pass --device /dev/snd" if not served else ""
        yield Finding("permissions", Severity.NOTE, f"no sound card with an input in {cards}", remedy)
        return
    closed = [node.name for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if not closed:
        yield Finding("permissions", Severity.OK, f"the inputs in {cards} may be opened: {_named(nodes)}")
        return
    level = Severity.NOTE if served else Severity.PROBLEM
    remedy = "sudo usermod -aG audio $USER, then log in again; a service: SupplementaryGroups=audio"
    yield Finding("permissions", level, f"no permission for {', '.join(closed)} in {cards}", remedy)


def inputs(config: Config) -> Iterator[Finding]:
    """The devices, and the rates that open."""
    backends = _backends(config) or {"sounddevice"}
    for backend in sorted(backends):
        try:
            found = devices.inputs(backend, LISTING_S / len(backends))
        except SourceError as err:
            yield from_error("devices", err)
            continue
        yield from map(_described, found)
        if not found:
            yield _none_found(wanted=bool(_backends(config)))


def _backends(config: Config) -> set[str]:
    return {part.config.backend for part in config.sources if part.kind == "microphone"}


def _described(device: InputDevice) -> Finding:
    name = f"{device.index} {device.name!r} ({device.host_api}, channels: {device.channels})"
    if not device.rates:
        text = f"{name} opens at no rate"
        return Finding("devices", Severity.NOTE, text, "another program may hold it: fuser -v /dev/snd/*")
    return Finding("devices", Severity.OK, f"{name} opens at {' '.join(map(str, device.rates))} Hz")


def _none_found(*, wanted: bool) -> Finding:
    remedy = "plug a microphone in, or start the sound server; in a container pass /dev/snd or the server's socket"
    return Finding("devices", Severity.PROBLEM if wanted else Severity.NOTE, "no input device", remedy)


def _server() -> Iterator[Finding]:
    """The sound server that PortAudio would be led to. A machine may well have none."""
    servers = paths.sound_servers()
    if not servers:
        yield Finding(
            "permissions", Severity.NOTE, "no XDG_RUNTIME_DIR and no PULSE_SERVER: no sound server is looked for"
        )
        return
    for server in servers:
        path = Path(server.partition("}")[2] or server).as_posix().removeprefix("unix:")
        if not path.startswith("/"):
            yield Finding("permissions", Severity.NOTE, f"sound server {server}: is not on this machine; not looked at")
            continue
        why = _refused(path)
        if not why:
            yield Finding("permissions", Severity.OK, f"a sound server answers at {path}")
            return
        remedy = "start it: systemctl --user start pipewire-pulse (or pulseaudio); run listener as the user whose it is"
        yield Finding("permissions", Severity.NOTE, f"no sound server answers at {path} ({why})", remedy)


def _refused(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_S)
        try:
            probe.connect(path)
        except OSError as err:
            return err.strerror or "no answer"
    return ""


def _named(nodes: Sequence[Path]) -> str:
    return ", ".join(node.name for node in nodes)
