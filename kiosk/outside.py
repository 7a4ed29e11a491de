# SPDX-License-Identifier: EUPL-1.2
"""Keeps people on the kiosk: a link to the outside becomes words, and a QR code to take away on one's own phone.

A link that is harmless on a phone strands the next visitor on a kiosk. Pure functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlsplit

import segno
from markupsafe import Markup, escape

from edge_core.web.prose import prose

_LINK = re.compile(r'<a(?: href="([^"]*)"[^>]*)?>|</a>')  # every spelling of a link that prose() writes
_LONGEST_CODE = 300  # characters: a denser code is hard to scan from a screen


@dataclass(frozen=True)
class Text:
    """HTML without links, and the web addresses that its links led to, each once, in order."""

    html: Markup
    links: tuple[str, ...]


def without_links(html: str) -> Text:
    """Return the safe part of `html`, each link to the web followed by its address in words."""
    open_links: list[str] = []
    found: list[str] = []

    def replace(tag: re.Match[str]) -> str:
        if not tag[0].startswith("</"):
            open_links.append(web_address(unescape(tag[1] or "")))
            return ""
        target = open_links.pop() if open_links else ""
        found.extend([target] if target else [])
        return f' <span class="address">({escape(shown(target))})</span>' if target else ""

    kept = _LINK.sub(replace, str(prose(html)))
    return Text(Markup(kept), tuple(dict.fromkeys(found)))  # noqa: S704  prose() is safe, and what was added is escaped


def web_address(raw: object) -> str:
    """Return an http(s) address, or "" where `raw` isn't one that a phone could open."""
    text = raw.strip() if isinstance(raw, str) else ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and text.isprintable() and " " not in text
    except ValueError:
        good = False
    return text if good and len(text) <= _LONGEST_CODE else ""


def shown(address: str) -> str:
    """Return a web address as people say it: without its scheme and closing slash."""
    return address.partition("://")[2].removeprefix("www.").rstrip("/")


def code(content: str) -> Markup:
    """Return a QR code (ISO/IEC 18004, level M) as inline SVG, hidden from screen readers: words stand beside it."""
    svg = segno.make(content, error="m", micro=False).svg_inline(
        border=3, light="#fff", dark="#111", omitsize=True, lineclass=None, svgclass="code"
    )
    return Markup(svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))  # noqa: S704  made by segno
