# SPDX-License-Identifier: EUPL-1.2
"""Turns what a command said on a terminal into a picture that is text; runs nothing."""

import io
import re

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

_FONTS = re.compile(r"@font-face \{\{.*?\}\}", re.DOTALL)  # they would be fetched from somebody's server


def picture(title: str, said: str, name: str, width: int) -> str:
    """Return an SVG of a terminal of so many columns; `name` is unique among the pictures of a page."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(said.rstrip("\n")))
    layout = _FONTS.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code, monospace", "monospace")
    drawn = console.export_svg(title=title, unique_id=name, code_format=layout)
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"
