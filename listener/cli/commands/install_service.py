"""`listener install-service`: write a systemd unit for this machine."""

from pathlib import Path

import click

from listener import config as configuration
from listener.base import paths
from listener.cli import options, systemd_units
from listener.config import Config
from listener.daemon.service import hello
from listener.errors import ConfigError
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle

SYSTEM = Path("/etc/systemd/system")

ENABLE = """\
Wrote {path}. Start it now, and at every {when}:
  systemctl {flag}daemon-reload
  systemctl {flag}enable --now listener
See how it is doing:
  systemctl {flag}status listener
  journalctl {flag}-u listener
After a change of the configuration:
  systemctl {flag}reload listener"""

FOR_DESKTOPS = """\
Members of the group listener can reach its socket:
  groupadd --system --force listener && usermod -aG listener NAME"""

LINGERING = """\
It runs while you are logged in. To run it without a login:
  loginctl enable-linger"""


@click.command()
@click.option(
    "--user", is_flag=True, help="Install a service of this user, who has a sound server. Default: the system's."
)
@click.option("--print", "only_print", is_flag=True, help="Print the unit and write nothing.")
@click.option("--config", type=options.FILE, metavar="FILE", help="What the service reads. Default: as `listener run`.")
def command(user: bool, only_print: bool, config: Path | None) -> int:
    """Write a systemd unit that runs listener, for the system or for this user."""
    read = configuration.load(config or _usual(user=user))
    folder = bundles.find(read.model.bundle)
    if not user:
        systemd_units.refuse_closed(read, folder)
    text = _unit(read, bundles.load(folder), config, user=user)
    if only_print:
        print(text, end="")
        return 0
    path = (_of_user() if user else SYSTEM) / "listener.service"
    _write(path, text)
    flag, when = ("--user ", "login") if user else ("", "start of the machine")
    print(ENABLE.format(path=path, flag=flag, when=when))
    print(LINGERING if user else FOR_DESKTOPS)
    return 0


def _usual(*, user: bool) -> Path | None:
    """The configuration that the service reads by default. The system's service has no home folder."""
    if user:
        return configuration.find()
    system = paths.of_system(configuration.SYSTEM_FILE)
    return system if system.is_file() else None


def _unit(config: Config, bundle: Bundle, named: Path | None, *, user: bool) -> str:
    command = [*systemd_units.program(), "run", "--wait", "--plain"]
    if named:
        command += ["--config", str(named.absolute())]
    with configuration.located(config.path):
        greeting = hello(config, bundle, "cpu")
        parts = [part.factory(part.config) for part in config.sources]
        parts += [part.factory(part.config, greeting) for _, part in config.outputs]
    return systemd_units.unit(
        "user" if user else "system",
        command,
        network=systemd_units.uses_network([*config.sources, *(part for _, part in config.outputs)]),
        secrets=systemd_units.secrets([part.requirements for part in parts]),
        folder=configuration.user_file().parent if user else systemd_units.CREDENTIALS,
    )


def _of_user() -> Path:
    return configuration.user_file().parents[1] / "systemd" / "user"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise ConfigError(
            f"{path}: cannot be written ({err.strerror})",
            code="service-write",
            remedy="Run it with sudo, print the unit with --print, or use --user.",
        ) from err
