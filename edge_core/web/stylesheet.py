# SPDX-License-Identifier: EUPL-1.2
"""One style sheet per application: design tokens, its own rules and the park's colours, in one cached file."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask

_STATIC = Path(__file__).parent / "static"
TOKENS = _STATIC / "tokens.css"
PLAN = _STATIC / "plan.css"
"""Colours of plans; an application that shows some names it among its sheets."""
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FOREVER = "public, max-age=31536000, immutable"
_SHADES = {"accent": ":root{--accent:%s}", "accent_dark": "@media(prefers-color-scheme:dark){:root{--accent:%s}}"}


def install(app: Flask, sheets: tuple[Path, ...], colours: Callable[[], object]) -> None:
    """Serve `tokens.css` and `sheets` as one file; templates link to `stylesheet()`.

    `colours` returns the park's {"accent", "accent_dark"}, each "#rrggbb"; anything else is passed over, as is an
    accent on which white (in dark: black) letters would be hard to read (WCAG 2.2, 1.4.3).
    """
    base = "\n".join(_shrunk(path.read_text(encoding="utf-8")) for path in (TOKENS, *sheets))

    @lru_cache(maxsize=4)
    def sheet(brand: str) -> tuple[str, str]:
        body = base + brand
        return f"/-/style.{hashlib.sha256(body.encode()).hexdigest()[:12]}.css", body

    @app.get("/-/style.<version>.css", endpoint="stylesheet")
    def serve(version: str) -> Response:
        href, body = sheet(brand(colours()))
        caching = _FOREVER if f".{version}." in href else "no-cache"
        return Response(body, mimetype="text/css", headers={"Cache-Control": caching})

    app.jinja_env.globals["stylesheet"] = lambda: sheet(brand(colours()))[0]


def brand(colours: object) -> str:
    """Return the rules of the park's colours, "" where there are none that can be read."""
    given: Mapping[str, object] = colours if isinstance(colours, dict) else {}
    light, dark = given.get("accent"), given.get("accent_dark")
    rules = _SHADES["accent"] % light if _readable(light, on=1.0) else ""
    return rules + (_SHADES["accent_dark"] % dark if _readable(dark, on=0.008) else "")


def _readable(colour: object, on: float) -> bool:
    if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
        return False
    lighter, darker = sorted((luminance(colour), on), reverse=True)
    return (lighter + 0.05) / (darker + 0.05) >= 4.6


def luminance(colour: str) -> float:
    """Return the relative luminance of "#rrggbb", 0 to 1 (WCAG 2.2, definition of relative luminance)."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _shrunk(css: str) -> str:
    without = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", without)).strip()
