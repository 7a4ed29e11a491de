# SPDX-License-Identifier: EUPL-1.2
"""How somebody wants to see the kiosk, carried in the address alone: no cookie, so nothing of a person can stay.

"/fr/…" is French; "/en-cl/…" is English with high contrast and large text; "r" brings everything within low reach;
"s" says it aloud; "e" is easy French, which no other language has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from werkzeug.routing import BaseConverter, ValidationError

from edge_core.i18n import DEFAULT, EASY, EASY_NAME, NAMES

TONGUES = {DEFAULT: NAMES[DEFAULT], EASY: EASY_NAME, **NAMES}
"""What one can choose to be spoken to in: easy French beside French."""
_LETTERS = {"c": "contrast", "l": "large", "r": "low", "s": "speech", "e": "easy"}


@dataclass(frozen=True)
class View:
    """A language of edge_core.i18n, four independent wishes, and whether its French is easy."""

    language: str = DEFAULT
    contrast: bool = False
    large: bool = False
    low: bool = False
    speech: bool = False
    easy: bool = False

    WISHES: ClassVar[tuple[str, ...]] = tuple(_LETTERS.values())

    @property
    def slug(self) -> str:
        """The first part of this view's addresses."""
        letters = "".join(letter for letter, wish in _LETTERS.items() if getattr(self, wish))
        return f"{self.language}-{letters}" if letters else self.language

    @property
    def classes(self) -> str:
        """The classes of the page's root element."""
        return " ".join(wish for wish in self.WISHES if getattr(self, wish))

    @property
    def tongue(self) -> str:
        """The language's tag (BCP 47): one of TONGUES."""
        return EASY if self.easy else self.language

    def speaking(self, tongue: str) -> View:
        """Return this view in another of TONGUES."""
        easy = tongue == EASY
        return replace(self, language=DEFAULT if easy else tongue, easy=easy)

    def toggled(self, wish: str) -> View:
        """Return this view with one of `WISHES` turned over."""
        turned: dict[str, Any] = {wish: not getattr(self, wish)}
        return replace(self, **turned)


def parse(slug: str) -> View | None:
    """Return the view of an address's first part, or None: each view has one spelling only."""
    language, _, letters = slug.partition("-")
    if language not in NAMES or len(letters) > len(_LETTERS):
        return None
    view = View(language, **{_LETTERS[letter]: True for letter in letters if letter in _LETTERS})
    return view if view.slug == slug and not (view.easy and language != DEFAULT) else None


class ViewConverter(BaseConverter):
    """Lets routes say `<view:view>`."""

    regex = "[a-z]{2}(?:-[a-z]{1,5})?"

    def to_python(self, value: str) -> View:
        """Read a view, or let the router go on."""
        view = parse(value)
        if view is None:
            raise ValidationError(value)
        return view

    def to_url(self, value: View) -> str:
        """Write a view."""
        return value.slug
