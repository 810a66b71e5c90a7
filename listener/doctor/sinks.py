"""Checks of each sink: what it needs, and whether its receiver can be reached. Nothing is sent or written."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from listener.base import paths, requirements
from listener.base.addresses import Address
from listener.base.requirements import Requirements
from listener.client import Client
from listener.config import Config, Part
from listener.daemon import service
from listener.doctor.finding import Check, Finding, Lane, Severity, from_error
from listener.errors import ListenerError, SinkError
from listener.messages import Hello
from listener.pipeline import bundle as bundles
from listener.storage import sqlite
from listener.storage.history import VERSION

LIMIT_S = 15.0  # a broker may take long to answer
ANSWER_S = 1.0
LOW_MB, FULL_MB = 200, 20
OURS = {"/metrics": b"\nlistener_", "/login": b"<title>listener"}  # pages of ours that need no token


def lanes(config: Config) -> list[Lane]:
    """Return one lane for the disk, one for each sink, and one for what they share."""
    each = [
        [Check(place.words, lambda part=part, name=place.words: sink(name, part, config), LIMIT_S)]  # type: ignore[misc]
        for place, part in config.outputs
    ]
    return [[Check("disk", disk)], *each, [Check("sinks", lambda: conflicts(config))]]


def disk(folder: Path | None = None) -> Iterator[Finding]:
    """Check the state folder, which holds logs, history and events that wait to be delivered."""
    folder = folder or paths.state_folder()
    if why := requirements.unwritable(folder / "any"):
        remedy = "Let this user write there. Under systemd, StateDirectory=listener creates it."
        text = f"the state folder {folder} cannot be written ({why})"
        yield Finding("disk", Severity.PROBLEM, "state-folder-unwritable", text, remedy)
    else:
        yield _free_space("disk", f"the state folder {folder} can be written", folder)


def sink(name: str, part: Part, config: Config) -> Iterator[Finding]:
    """Check what one sink needs, then whether it reaches its receiver."""
    hello = _hello(config)
    made = part.factory(part.config, hello)
    required = made.requirements
    if hello.labels:
        for unknown in requirements.unknown_labels(required, (*hello.labels, *hello.groups)):
            yield from_error(name, unknown, Severity.WARNING)
    missing = list(requirements.missing(required))
    yield from (from_error(name, err) for err in missing)
    if missing:
        return
    for key, secret in required.secrets.items():
        if requirements.is_credential(secret) and requirements.unreadable(paths.credential(secret)):
            text = f"{key}: {secret!r} is a systemd credential, which only the service can read; not checked"
            remedy = "See LoadCredential= in the output of `systemctl cat listener`."
            yield Finding(name, Severity.NOTE, "sink-credential", text, remedy)
            return
    found = [*_files(name, required), *_sockets(name, required)]
    if reached := made.probe():
        found.append(Finding(name, Severity.OK, "sink-reached", reached))
    yield from found or [Finding(name, Severity.OK, "sink-good", "nothing is missing")]


def conflicts(config: Config) -> Iterator[Finding]:
    """Check for files, addresses and the like that only one sink can use and several want."""
    required = []
    for place, part in config.outputs:
        try:
            required.append((place.words, part.factory(part.config, _hello(config)).requirements))
        except ListenerError:
            continue  # reported by the check of that sink
    yield from (from_error("sinks", conflict) for conflict in requirements.conflicts(required))


def _hello(config: Config) -> Hello:
    """Describe a daemon with this configuration, without labels if the model cannot be loaded."""
    try:
        return service.hello(config, bundles.load(bundles.find(config.model.bundle)), "cpu")
    except ListenerError:
        sources = [part.config.name for part in config.sources]
        return Hello(version="", pid=0, model="", provider="", labels=[], thresholds={}, groups={}, sources=sources)


def _files(name: str, required: Requirements) -> Iterator[Finding]:
    for path in required.writes:
        opens = path in required.databases and path.exists()
        if opens:
            sqlite.reading(path, VERSION).close()
        yield _free_space(name, f"{path} {'opens' if opens else 'can be written'}", path.parent)
    if required.program:
        path_of = shutil.which(required.program)
        yield Finding(name, Severity.OK, "program-found", f"{path_of} exists and is executable")


def _sockets(name: str, required: Requirements) -> Iterator[Finding]:
    owner = ""
    for address in required.binds:
        if isinstance(address, Path):
            owner = _daemon_at(f"unix:{address}")
            yield _at_address(name, str(address), owner)
        else:
            yield _tcp(name, address, owner)


def _tcp(name: str, address: Address, owner: str) -> Finding:
    """Check a port; `owner` is who has the Unix socket of the same sink, because the port may ask for a token."""
    host, port = address
    try:
        socket.create_server(address, family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as err:
        owner = owner or _daemon_at(f"tcp:{host}:{port}") or _page_owner(host, port)
        if owner:
            return _at_address(name, f"{host}:{port}", owner)
        text = f"cannot listen at {host}:{port} ({os.strerror(err.errno or 0)})"
        remedy = "Choose another port, or stop the program that uses it: ss -ltnp"
        return Finding(name, Severity.PROBLEM, "address-taken", text, remedy)
    return _at_address(name, f"{host}:{port}", "")


def _at_address(name: str, address: str, owner: str) -> Finding:
    if owner:
        return Finding(name, Severity.OK, "address-ours", f"{address} is used by {owner}")
    return Finding(name, Severity.OK, "address-free", f"{address} is free")


def _daemon_at(address: str) -> str:
    """Describe the daemon that greets at an address; empty if none does."""
    client = Client(address)
    timer = threading.Timer(ANSWER_S, client.close)
    timer.start()
    try:
        first = next(client.receive(["status"]), None)
    except SinkError:
        return ""
    finally:
        timer.cancel()
        client.close()
    return f"the running listener (process {first.pid})" if isinstance(first, Hello) else ""


def _page_owner(host: str, port: int) -> str:
    """Describe the listener whose metrics or page is served there; empty if it is another program's."""
    ours = any(mark in _fetch(host, port, path) for path, mark in OURS.items())
    return "the running listener" if ours else ""


def _fetch(host: str, port: int, path: str) -> bytes:
    """Return what is served there; empty if the request fails. The page accepts any address as its name."""
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    try:
        with urlopen(Request(url, headers={"Host": f"127.0.0.1:{port}"}), timeout=ANSWER_S) as answer:
            return bytes(answer.read(65_536))
    except (OSError, HTTPException, ValueError):
        return b""


def _free_space(name: str, text: str, folder: Path) -> Finding:
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free_mb = shutil.disk_usage(existing).free / 1e6
    if free_mb > LOW_MB:
        return Finding(name, Severity.OK, "disk-good", f"{text}; {free_mb / 1000:.1f} GB free")
    level, code = (Severity.WARNING, "disk-low") if free_mb > FULL_MB else (Severity.PROBLEM, "disk-full")
    text = f"the disk of {folder} is nearly full: {free_mb:.0f} MB free"
    return Finding(name, level, code, text, "Free some space on it.")
