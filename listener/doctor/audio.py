"""Checks of what capture needs: libraries, permissions and devices."""

import os
import socket
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from listener.base import paths
from listener.config import Config
from listener.doctor.finding import Finding, Severity, from_error
from listener.errors import SourceError
from listener.sources import devices
from listener.sources.devices import InputDevice

LISTING_S = 8.0  # a machine with many cards takes seconds to list them
CONNECT_S = 1.0
CARDS = Path("/dev/snd")
PACKAGES = {"sounddevice": "sounddevice", "pyaudio": "PyAudio"}
INSTALL = {"sounddevice": "pip install sounddevice", "pyaudio": "pip install 'listener[pyaudio]'"}


def libraries(config: Config, packages: Mapping[str, str] = PACKAGES) -> Iterator[Finding]:
    """Check whether the libraries that open a microphone are installed."""
    wanted = _backends(config)
    for backend, package in packages.items():
        try:
            yield Finding("libraries", Severity.OK, "library-installed", f"{package} {version(package)}")
        except PackageNotFoundError:
            text, remedy = f"{package} is not installed", f"Run: {INSTALL[backend]}"
            if backend in wanted:
                yield Finding("libraries", Severity.PROBLEM, "library-missing", text, remedy)
            elif backend == "pyaudio":
                text += '; only sources with backend = "pyaudio" need it'
                yield Finding("libraries", Severity.NOTE, "library-optional", text)


def permissions(cards: Path = CARDS) -> Iterator[Finding]:
    """Check whether this user may use the sound server or the sound cards."""
    server = list(_sound_server())
    yield from server
    served = any(finding.level is Severity.OK for finding in server)
    if os.geteuid() == 0 and not served:
        text = "running as root, whom the sound server of a desktop user does not accept"
        yield Finding("permissions", Severity.NOTE, "user-root", text, "On a desktop, run listener as that user.")
    nodes = sorted(cards.glob("pcm*c")) if cards.is_dir() else []
    if not nodes:
        remedy = "" if served else "Connect a microphone. In a container, pass --device /dev/snd."
        text = f"no sound card with an input in {cards}"
        yield Finding("permissions", Severity.NOTE, "card-none", text, remedy)
        return
    closed = [node.name for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if not closed:
        text = f"the inputs in {cards} can be opened: {', '.join(node.name for node in nodes)}"
        yield Finding("permissions", Severity.OK, "card-permitted", text)
        return
    level = Severity.NOTE if served else Severity.PROBLEM
    remedy = "Run: sudo usermod -aG audio $USER, then log in again. For a service, set SupplementaryGroups=audio."
    yield Finding("permissions", level, "card-denied", f"no permission for {', '.join(closed)} in {cards}", remedy)


def inputs(config: Config) -> Iterator[Finding]:
    """List the input devices and the sample rates at which they open."""
    backends = _backends(config) or {"sounddevice"}
    for backend in sorted(backends):
        try:
            found = devices.inputs(backend, LISTING_S / len(backends))
        except SourceError as err:
            yield from_error("devices", err)
            continue
        yield from map(_device, found)
        if not found:
            level = Severity.PROBLEM if _backends(config) else Severity.NOTE
            remedy = (
                "Connect a microphone, or start the sound server. In a container, pass /dev/snd or the socket of the "
                "sound server."
            )
            yield Finding("devices", level, "device-none", "no input device", remedy)


def _backends(config: Config) -> set[str]:
    return {part.config.backend for part in config.sources if part.kind == "microphone"}


def _device(device: InputDevice) -> Finding:
    name = f"{device.index} {device.name!r} ({device.host_api}, channels: {device.channels})"
    if not device.rates:
        remedy = "Another program may be using it: fuser -v /dev/snd/*"
        return Finding("devices", Severity.NOTE, "device-busy", f"{name} opens at no sample rate", remedy)
    rates = " ".join(map(str, device.rates))
    return Finding("devices", Severity.OK, "device-good", f"{name} opens at {rates} Hz")


def _sound_server() -> Iterator[Finding]:
    """Check the sound server that PortAudio would use. A machine may well have none."""
    servers = paths.sound_servers()
    if not servers:
        text = "neither XDG_RUNTIME_DIR nor PULSE_SERVER is set, so there is no sound server to look for"
        yield Finding("permissions", Severity.NOTE, "server-unknown", text)
        return
    for server in servers:
        path = Path(server.partition("}")[2] or server).as_posix().removeprefix("unix:")
        if not path.startswith("/"):
            text = f"sound server {server} is on another machine; not checked"
            yield Finding("permissions", Severity.NOTE, "server-remote", text)
            continue
        why = _connection_error(path)
        if not why:
            yield Finding("permissions", Severity.OK, "server-good", f"the sound server at {path} answers")
            return
        text = f"no sound server answers at {path} ({why})"
        remedy = "Start it: systemctl --user start pipewire-pulse (or pulseaudio). Run listener as its user."
        yield Finding("permissions", Severity.NOTE, "server-silent", text, remedy)


def _connection_error(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_S)
        try:
            probe.connect(path)
        except OSError as err:
            return err.strerror or "no answer"
    return ""
