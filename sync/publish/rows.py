# SPDX-License-Identifier: EUPL-1.2
"""One row of a publisher's table, and the checks that turn its cells into fields of a record."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core.store import search
from sync.downlink.repository_format import LANGUAGES, is_slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sync.publish.problems import Problems

EMAIL = (re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"), "an address such as accueil@parc.example")
PHONE = (re.compile(r"\+[0-9][0-9 ]{5,20}"), "a number such as +33 5 36 49 00 00")
WEB = (re.compile(r"https?://[^\s<>\"']+"), "an address such as https://parc.example")
COLOUR = (re.compile(r"#[0-9a-fA-F]{6}"), "a colour such as #0b6e63")
FIRST = 9
"""The highest priority: 1 to 9 go before what has none, 9 first of all."""
_LONGEST = 4000  # characters of one cell


def slug_of(text: str) -> str:
    """Return the id that `text` gives: its folded words joined by hyphens, at most 80 characters."""
    return "-".join(re.findall(r"[a-z0-9]+", search.fold(text)))[:80].strip("-")


def clean(text: str) -> str:
    """Return `text` composed (NFC), without spaces around it."""
    return unicodedata.normalize("NFC", text).strip()


@dataclass(frozen=True)
class Row:
    """The cells of one row by column, and where it stands."""

    file: str
    line: int
    cells: Mapping[str, str]
    problems: Problems

    def wrong(self, message: str, remedy: str) -> None:
        """Note a problem of this row."""
        self.problems.add(self.file, self.line, message, remedy)

    def text(self, column: str, *, required: bool = False) -> str:
        """Return one cell as plain text; "" when it is empty."""
        value = clean(self.cells.get(column, ""))
        if required and not value:
            self.wrong(f'column "{column}" is empty.', "Fill it in.")
        if len(value) > _LONGEST:
            self.wrong(f'column "{column}" has {len(value)} characters.', f"Shorten it to {_LONGEST}.")
        if any(unicodedata.category(letter) == "Cc" and letter not in "\n\t" for letter in value):
            self.wrong(f'column "{column}" holds a control character.', "Type the text of this cell again.")
        return value

    def languages(self, column: str, *, required: bool = True) -> dict[str, str]:
        """Return the cells `column`_fr, _en, … as a text in languages; the French one is the one that must be there."""
        found = {language: self.text(f"{column}_{language}") for language in LANGUAGES}
        if required and not found["fr"]:
            self.wrong(f'column "{column}_fr" is empty.', "Fill it in: the other languages fall back to it.")
        return {language: value for language, value in found.items() if value}

    def matching(self, column: str, form: tuple[re.Pattern[str], str]) -> str:
        """Return an optional cell that must have a form, given as (pattern, what is expected)."""
        value = self.text(column)
        if value and not form[0].fullmatch(value):
            self.wrong(f'column "{column}" holds "{value}" where {form[1]} is expected.', "Correct the cell.")
        return value

    def slug(self, column: str, *, required: bool = True) -> str:
        """Return a cell that names a record."""
        value = self.text(column, required=required)
        if value and not is_slug(value):
            example = slug_of(value) or "exemple-ardoise"
            self.wrong(
                f'column "{column}" holds "{value}" where small letters, digits and hyphens are expected.',
                f'Write "{example}" for instance.',
            )
        return value

    def several(self, column: str) -> list[str]:
        """Return a cell's parts, written one|two|three."""
        return [part for part in (clean(part) for part in self.text(column).split("|")) if part]

    def number(self, column: str, lowest: float, highest: float, *, required: bool = True) -> float | None:
        """Return a cell as a number between two bounds, or None."""
        value = self.text(column, required=required)
        if not value:
            return None
        try:
            number = float(value.replace(",", "."))
        except ValueError:
            number = float("nan")
        if not lowest <= number <= highest:
            self.wrong(
                f'column "{column}" holds "{value}" where a number from {lowest:g} to {highest:g} is expected.',
                "Correct the cell.",
            )
            return None
        return int(number) if number == int(number) else number

    def whole(self, column: str, lowest: int, highest: int, *, required: bool = True) -> int | None:
        """Return a cell as a whole number between two bounds, or None."""
        number = self.number(column, lowest, highest, required=required)
        if number is not None and number != int(number):
            self.wrong(f'column "{column}" holds a fraction.', "Write a whole number.")
            return None
        return None if number is None else int(number)

    def choice(self, column: str, choices: tuple[str, ...], *, required: bool = True) -> str:
        """Return a cell that is one of a few words."""
        value = self.text(column, required=required)
        if value and value not in choices:
            self.wrong(f'column "{column}" holds "{value}".', f"Write one of: {', '.join(choices)}.")
        return value
