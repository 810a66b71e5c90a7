"""Whether each configured sink would reach what it is configured for. Nothing is sent, written or taken."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
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
from listener.storage.history import VERSION

LIMIT_S = 15.0  # of a broker that lets us wait
ANSWER_S = 1.0
LITTLE_MB, HARDLY_ANY_MB = 200, 20
OURS = {"/metrics": b"\nlistener_", "/login": b"<title>listener"}  # the form to log in by is shown to anybody


def lanes(config: Config) -> list[Lane]:
    """A lane for each sink, and what they all together want."""
    names = [f"sink {number} ({part.kind})" for number, part in enumerate(config.sinks, 1)]
    of_each = [
        [Check(name, lambda part=part, name=name: sink(name, part, config), LIMIT_S)]  # type: ignore[misc]
        for name, part in zip(names, config.sinks, strict=True)
    ]
    return [[Check("disk", disk)], *of_each, [Check("sinks", lambda: together(names, config))]]


def disk(folder: Path | None = None) -> Iterator[Finding]:
    """The state folder, where logs, history and what waits to be sent are kept."""
    folder = folder or paths.state_folder()
    if why := requirements.unwritable(folder / "any"):
        remedy = "let this user write there; under systemd StateDirectory=listener makes one"
        yield Finding("disk", Severity.PROBLEM, f"the state folder {folder} cannot be written to ({why})", remedy)
    else:
        yield _room("disk", f"the state folder {folder} can be written to", folder)


def sink(name: str, part: Part, config: Config) -> Iterator[Finding]:
    """What one sink needs, and whether it reaches its receiver."""
    hello = greeting(config)
    made = part.factory(part.config, hello)
    wants = requirements.of(made)
    for stranger in requirements.unknown_labels(wants, (*hello.labels, *hello.groups)) if hello.labels else ():
        yield Finding(name, Severity.WARNING, stranger.message, stranger.remedy)
    faults = list(requirements.missing(wants))
    yield from (from_error(name, fault) for fault in faults)
    if faults:
        return
    for key, secret in wants.secrets.items():
        if requirements.is_credential(secret) and requirements.unreadable(paths.credential(secret)):
            text = f"{key}: {secret!r} is a credential of systemd's, which is there only for the service; not looked at"
            yield Finding(name, Severity.NOTE, text, "see `systemctl cat listener` for its LoadCredential=")
            return
    found = [*_files(name, wants), *_doors(name, wants)]
    if hasattr(made, "reach"):
        found.append(Finding(name, Severity.OK, made.reach()))
    yield from found or [Finding(name, Severity.OK, "has what it needs")]


def together(names: Sequence[str], config: Config) -> Iterator[Finding]:
    """What several sinks want that only one can have."""
    wants = []
    for name, part in zip(names, config.sinks, strict=True):
        try:
            wants.append((name, requirements.of(part.factory(part.config, greeting(config)))))
        except ListenerError:
            continue  # said by its own check
    yield from (from_error("sinks", clash) for clash in requirements.conflicts(wants))


def greeting(config: Config) -> Hello:
    """What a daemon of this configuration would be; what a model adds is left out where there is none."""
    try:
        return service.hello(config, bundles.load(bundles.find(config.model.bundle)), "cpu")
    except ListenerError:
        sources = [part.config.name for part in config.sources]
        return Hello(version="", pid=0, model="", provider="", labels=[], thresholds={}, groups={}, sources=sources)


def _files(name: str, wants: Requirements) -> Iterator[Finding]:
    for path in wants.writes:
        if path.suffix == ".db" and path.exists():
            from listener.storage import sqlite

            sqlite.reading(path, VERSION).close()
            yield _room(name, f"{path} opens", path.parent)
        else:
            yield _room(name, f"{path} can be written", path.parent)
    if wants.program:
        yield Finding(name, Severity.OK, f"{shutil.which(wants.program)} is there and executable")


def _doors(name: str, wants: Requirements) -> Iterator[Finding]:
    holder = ""
    for door in wants.binds:
        if isinstance(door, Path):
            holder = _greets(f"unix:{door}")
            yield _unix_door(name, door, holder)
        else:
            yield _tcp_door(name, door, holder)


def _unix_door(name: str, path: Path, holder: str) -> Finding:
    if path.exists() and not path.is_socket():
        return Finding(name, Severity.PROBLEM, f"{path} is something else", "remove it, or give the sink another path")
    return Finding(name, Severity.OK, f"{path} is {holder or 'free'}")


def _tcp_door(name: str, address: Address, holder: str) -> Finding:
    """`holder` has the part's other door already, and its port asks strangers for a token."""
    host, port = address
    try:
        socket.create_server(address, family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as err:
        holder = holder or _greets(f"tcp:{host}:{port}") or _serves(host, port)
        if holder:
            return Finding(name, Severity.OK, f"{host}:{port} is {holder}")
        text = f"{host}:{port} is not to be had ({os.strerror(err.errno or 0)})"
        return Finding(name, Severity.PROBLEM, text, "name another port, or end who has it: ss -ltnp")
    return Finding(name, Severity.OK, f"{host}:{port} is free")


def _greets(address: str) -> str:
    """Whose it is, where a daemon of ours greets there."""
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
    return f"held by a running listener (process {first.pid})" if isinstance(first, Hello) else ""


def _serves(host: str, port: int) -> str:
    """Likewise, where it is our metrics or our page that are served there."""
    ours = any(mark in _page(host, port, path) for path, mark in OURS.items())
    return "held by a running listener" if ours else ""


def _page(host: str, port: int, path: str) -> bytes:
    """What is served there; nothing where that is refused. The page is for whoever calls it by an address."""
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    try:
        with urlopen(Request(url, headers={"Host": f"127.0.0.1:{port}"}), timeout=ANSWER_S) as answer:
            return bytes(answer.read())
    except (OSError, HTTPException, ValueError):
        return b""


def _room(name: str, text: str, folder: Path) -> Finding:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free_mb = shutil.disk_usage(there).free / 1e6
    if free_mb > LITTLE_MB:
        return Finding(name, Severity.OK, f"{text}; {free_mb / 1000:.1f} GB free")
    level = Severity.WARNING if free_mb > HARDLY_ANY_MB else Severity.PROBLEM
    return Finding(name, level, f"the disk of {folder} is nearly full: {free_mb:.0f} MB free", "make room on it")
