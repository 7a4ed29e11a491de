# SPDX-License-Identifier: EUPL-1.2
"""Judges a request before its page: its Host can be read, its form comes from our own pages, and content is here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import abort, render_template, request

from kiosk.here import content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask

_ALWAYS = frozenset({"attract", "session"})
_WAIT_SECONDS = "5"
_LABEL = "[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"(?=.{{1,255}}\Z)(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_NO_HOST = "invalid"  # a name that nobody has (RFC 6761, 6.4)


def install(app: Flask) -> None:
    """Ask these questions before every page."""
    app.wsgi_app = _readable_host(app.wsgi_app)  # type: ignore[method-assign,assignment]
    app.before_request(_own_forms_only)
    app.before_request(_content_first)


def same_origin(origin: str | None, fetch_site: str | None, host: str) -> bool:
    """Tell whether a form comes from our own page (Fetch Metadata; RFC 6454); without either it is no browser."""
    if fetch_site is not None:
        return fetch_site in {"same-origin", "none"}
    return origin is None or origin.partition("://")[2] == host


def _readable_host(inner: WSGIApplication) -> WSGIApplication:
    """Replace a Host that is no host: the router refuses it so early that no page of ours could explain it."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if not _HOST.fullmatch(environ.get("HTTP_HOST", _NO_HOST)):
            environ["HTTP_HOST"] = _NO_HOST
        return inner(environ, start)

    return answer


def _own_forms_only() -> None:
    if request.method == "POST":
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if not same_origin(origin, site, request.host):
            abort(403)


def _content_first() -> tuple[str, int, dict[str, str]] | None:
    if request.blueprint is None or request.blueprint in _ALWAYS or content().version() is not None:
        return None
    return render_template("waiting.html"), 503, {"Retry-After": _WAIT_SECONDS}
