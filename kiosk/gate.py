# SPDX-License-Identifier: EUPL-1.2
"""Judges a request before its page: its Host can be read, its form comes from our own pages, and content is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import abort, render_template, request

from edge_core.web import readable_host
from kiosk.here import content

if TYPE_CHECKING:
    from flask import Flask

_ALWAYS = frozenset({"attract", "session", "scans", "shelter", "technician", "reception", "reception_door"})
_WAIT_SECONDS = "5"


def install(app: Flask) -> None:
    """Ask these questions before every page."""
    readable_host.install(app)
    app.before_request(_own_forms_only)
    app.before_request(_content_first)


def same_origin(origin: str | None, fetch_site: str | None, host: str) -> bool:
    """Tell whether a form comes from our own page (Fetch Metadata; RFC 6454); without either it is no browser."""
    if fetch_site is not None:
        return fetch_site in {"same-origin", "none"}
    return origin is None or origin.partition("://")[2] == host


def _own_forms_only() -> None:
    if request.method == "POST":
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if not same_origin(origin, site, request.host):
            abort(403)


def _content_first() -> tuple[str, int, dict[str, str]] | None:
    if request.blueprint is None or request.blueprint in _ALWAYS or content().version() is not None:
        return None
    return render_template("waiting.html"), 503, {"Retry-After": _WAIT_SECONDS}
