"""`listener completion`: print the completion script for a shell."""

from typing import Literal

import click
from click.shell_completion import get_completion_class

from listener.cli import main

EPILOG = """\
\b
bash   eval "$(listener completion bash)"     in ~/.bashrc
zsh    eval "$(listener completion zsh)"      in ~/.zshrc
fish   listener completion fish | source      in ~/.config/fish/config.fish
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print the completion script for a shell."""
    writer = get_completion_class(shell)
    assert writer
    print(writer(main.group, {}, "listener", main.COMPLETE_VARIABLE).source())
    return 0
