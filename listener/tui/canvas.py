"""Paints lines on a terminal. Only those that have changed are written."""

import locale
from collections.abc import Iterator
from dataclasses import replace

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from listener.tui.lines import ASCII, UNICODE, Glyphs, Line, length

# xterm's control sequences: the other screen, no cursor, no wrapping; and back.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J", "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
ERASE = "\x1b[K"  # the rest of the line
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"  # synchronised output, where the terminal supports it

SYSTEMS = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR}
ATTRIBUTES = {"bold": "1", "dim": "2", "reverse": "7"}


class Canvas:
    """The whole window, on the terminal's alternate screen.

    Rich finds out what the terminal can show (TERM, COLORTERM, NO_COLOR, the locale), but does not paint: its live
    display renders and writes every line each time, which costs several times the CPU.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._system = None if self._console.no_color else SYSTEMS.get(self._console.color_system or "")
        self._styles: dict[str, str] = {}
        self._painted: list[str] = []
        self._painted_size = (0, 0)
        self._is_open = False

    @property
    def usable(self) -> bool:
        """Whether there is a terminal that can be painted on."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines of the window now."""
        return self._console.size.width, self._console.size.height

    @property
    def glyphs(self) -> Glyphs:
        """The characters to draw with. With sixteen colours or fewer, the spectrogram is drawn in characters."""
        glyphs = ASCII if self._console.options.ascii_only or _is_ascii() else UNICODE
        return replace(glyphs, colours=self._system in (ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR))

    def open(self) -> None:
        """Take the terminal.

        Raises:
            OSError: It has gone.
        """
        if not self._is_open:
            self._is_open = True
            self.forget()
            self._write(ENTER)

    def forget(self) -> None:
        """Paint everything next time: something else may have written to the terminal."""
        self._painted_size = (0, 0)

    def paint(self, lines: list[Line]) -> None:
        """Show these lines from the top, and nothing below them.

        Raises:
            OSError: The terminal has gone.
        """
        size = self.size
        before = self._painted if size == self._painted_size else []
        rows = [self._row(line, size[0]) for line in lines[: size[1]]]
        rows += [ERASE] * (size[1] - len(rows))
        changed = [
            f"\x1b[{number + 1}H{row}"
            for number, row in enumerate(rows)
            if number >= len(before) or row != before[number]
        ]
        if changed:
            clear = "" if before else "\x1b[2J"
            self._write("".join([BEGIN, clear, *changed, END]))
        self._painted, self._painted_size = rows, size

    def close(self) -> None:
        """Give the terminal back.

        Raises:
            OSError: It has gone.
        """
        if self._is_open:
            self._is_open = False
            self._write(LEAVE)

    def _row(self, line: Line, width: int) -> str:
        """The characters that write a line. A full line must not be erased behind: that would take its last cell."""
        parts, last = [], ""
        for piece, style in line:
            codes = self._codes(style)
            if codes != last:
                parts.append(f"\x1b[0;{codes}m" if codes else "\x1b[0m")
                last = codes
            parts.append(piece)
        if last:
            parts.append("\x1b[0m")
        return "".join(parts if length(line) >= width else [*parts, ERASE])

    def _codes(self, style: str) -> str:
        """The codes of a style for this terminal, cached: rich needs long to find them."""
        codes = self._styles.get(style)
        if codes is None:
            codes = self._styles[style] = ";".join(self._numbers(Style.parse(style)))
        return codes

    def _numbers(self, style: Style) -> Iterator[str]:
        yield from (number for name, number in ATTRIBUTES.items() if getattr(style, name))
        for colour, is_text in ((style.color, True), (style.bgcolor, False)):
            if colour and self._system:
                yield from colour.downgrade(self._system).get_ansi_codes(is_text)

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()


def _is_ascii() -> bool:
    """Whether the locale has only ASCII; Python writes UTF-8 even then."""
    return locale.nl_langinfo(locale.CODESET).upper() in ("ANSI_X3.4-1968", "US-ASCII", "ASCII")
