"""packaging/completion/, the completion files for the shipped model: `python -m scripts.make_completion`.

`listener completion` writes the same for somebody's own configuration.
"""

from pathlib import Path

from listener import config
from listener.cli import completion, flags
from listener.cli import main as cli
from listener.cli.commands.completion import known
from listener.cli.common import Setup
from listener.cli.completion import Shell
from listener.pipeline import bundle as bundles

FOLDER = Path(__file__).resolve().parents[1] / "packaging" / "completion"
FILES: dict[Shell, Path] = {"bash": FOLDER / "listener", "zsh": FOLDER / "_listener", "fish": FOLDER / "listener.fish"}


def main() -> None:
    """Write the files."""
    for shell, path in FILES.items():
        path.write_text(text(shell))


def text(shell: Shell) -> str:
    """The file of a shell, with the labels and groups of the default model."""
    shipped = Setup(config.load(None), bundles.load(bundles.find(bundles.DEFAULT)))
    return completion.script(shell, flags.commands(cli.full_parser()), known(shipped))


if __name__ == "__main__":
    main()
