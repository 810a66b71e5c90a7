"""`listener install-service`: the unit by which systemd runs listener, written for this machine."""

import argparse
from pathlib import Path

from listener import config as configuration
from listener.base import requirements
from listener.cli import systemd_units
from listener.config import Config
from listener.daemon.service import hello
from listener.daemon.signals import Capture
from listener.errors import ConfigError
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle

SYSTEM = Path("/etc/systemd/system")

ENABLE = """\
{path} is written. Start it now, and at every {when}:
  systemctl {flag}daemon-reload
  systemctl {flag}enable --now listener
Look after it:
  systemctl {flag}status listener
  journalctl {flag}-u listener
  systemctl {flag}reload listener   after a change of the configuration"""

FOR_DESKTOPS = """\
Whoever is in the group listener reaches its socket:
  groupadd --system --force listener && usermod -aG listener NAME"""

LINGERING = """\
It runs while you are logged in; to have it run without that:
  loginctl enable-linger"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "--user", action="store_true", help="the service of this user, who has a sound server; default: the system's"
    )
    parser.add_argument("--print", action="store_true", help="print the unit, write nothing")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="what the service reads; default: as `listener run`"
    )


def main(arguments: argparse.Namespace, capture: Capture) -> int:  # noqa: ARG001
    """Write the unit and say what to do next."""
    config = configuration.load(arguments.config or _usual(user=arguments.user))
    folder = bundles.find(config.model.bundle)
    if not arguments.user:
        systemd_units.refuse_closed(config, folder)
    text = _unit(arguments, config, bundles.load(folder))
    if arguments.print:
        print(text, end="")
        return 0
    path = (_of_user() if arguments.user else SYSTEM) / "listener.service"
    _write(path, text)
    flag, when = ("--user ", "login") if arguments.user else ("", "start of the machine")
    print(ENABLE.format(path=path, flag=flag, when=when))
    print(LINGERING if arguments.user else FOR_DESKTOPS)
    return 0


def _usual(*, user: bool) -> Path | None:
    """What it reads where nothing is named: the system's service has no home."""
    if user:
        return configuration.find()
    return configuration.OF_THE_MACHINE if configuration.OF_THE_MACHINE.is_file() else None


def _unit(arguments: argparse.Namespace, config: Config, bundle: Bundle) -> str:
    command = [*systemd_units.program(), "run", "--wait", "--plain"]
    if arguments.config:
        command += ["--config", str(arguments.config.absolute())]
    with configuration.located(config.path):
        greeting = hello(config, bundle, "cpu")
        parts = [part.factory(part.config) for part in config.sources]
        parts += [part.factory(part.config, greeting) for part in config.sinks]
    return systemd_units.unit(
        "user" if arguments.user else "system",
        command,
        network=systemd_units.uses_network([*config.sources, *config.sinks]),
        secrets=systemd_units.secrets([requirements.of(part) for part in parts]),
        folder=configuration.of_user().parent if arguments.user else systemd_units.CREDENTIALS,
    )


def _of_user() -> Path:
    return configuration.of_user().parents[1] / "systemd" / "user"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise ConfigError(
            f"{path}: cannot be written ({err.strerror}); run it with sudo, print the unit with --print, or use --user"
        ) from err
