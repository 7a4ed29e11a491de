# SPDX-License-Identifier: EUPL-1.2
"""Lets only harmless HTML of the content reach a page.

Content is signed and was sanitised when it was published; this is the second lock: whatever a publisher lets slip,
no script, style, frame, form, image or foreign resource gets through, and the result is always well formed.
"""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser

from markupsafe import Markup

_KEPT_WORDS = (
    "p h2 h3 h4 ul ol li strong em b i br hr blockquote a dl dt dd table thead tbody tr th td caption code pre abbr "
    "small sub sup"
)
_KEPT = frozenset(_KEPT_WORDS.split())
_LOWERED = {"h1": "h2", "h5": "h4", "h6": "h4"}
_VOID = frozenset({"br", "hr"})
_SILENT = frozenset({"script", "style", "iframe", "object", "svg", "math", "template", "textarea", "title", "noscript"})
_SCHEMES = ("https://", "http://", "mailto:", "tel:", "/", "#")
_LONGEST = 200_000  # characters; a longer text is cut, so that a page stays a page


def prose(html: str) -> Markup:
    """Return `html` with only the elements of a text and safe links; all else is dropped, its words are kept."""
    cleaner = _Cleaner()
    cleaner.feed(html[:_LONGEST])
    cleaner.close()
    return cleaner.result()


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._open: list[str] = []
        self._silent: list[str] = []

    def result(self) -> Markup:
        closing = (f"</{tag}>" for tag in reversed(self._open))
        return Markup("".join([*self._out, *closing]))  # noqa: S704 - every part was escaped or is in the list above

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        tag = _LOWERED.get(tag, tag)
        if tag in _SILENT:
            self._silent.append(tag)
        if self._silent or tag not in _KEPT:
            return
        self._out.append(f"<{tag}{_attributes(tag, dict(attrs))}>")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        tag = _LOWERED.get(tag, tag)
        if self._silent:
            if tag == self._silent[-1]:
                self._silent.pop()
            return
        if tag not in self._open:
            return
        while (last := self._open.pop()) != tag:
            self._out.append(f"</{last}>")
        self._out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._out.append(escape(data, quote=False))


def _attributes(tag: str, attributes: dict[str, str | None]) -> str:
    target = (attributes.get("href") or "").strip()
    if tag == "a" and safe_link(target):
        return f' href="{escape(target)}" rel="noopener"'
    return ""


def safe_link(target: str) -> bool:
    """Tell whether a link of the content may stand on a page: web, mail, telephone, or a page of ours."""
    plain = target.isprintable() and "\\" not in target and not target.startswith("//")
    return plain and target.lower().startswith(_SCHEMES)
