# SPDX-License-Identifier: EUPL-1.2
"""The door of the device page: a password; forms that come from elsewhere, or without their session's key, are refused.

The cookie is SameSite=Strict and HttpOnly, and Secure under TLS.
"""

from __future__ import annotations

import hmac
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for

from edge_core import logs
from edge_core.i18n import N_
from management.keeper import LASTS, Keeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug import Response

    Page = Callable[..., Any]

routes = Blueprint("door", __name__)
EXTENSION = "parvis-keeper"
COOKIE = "parvis-device"
_LONGEST = 200
WRONG = N_("This is not the password.")
LATER = N_("Too many wrong tries. Wait a quarter of an hour.")
_log = logs.get(__name__)


def keeper() -> Keeper:
    """Return who keeps this device's page."""
    return cast("Keeper", current_app.extensions[EXTENSION])


def guarded(page: Page) -> Page:
    """Show a page to somebody who is signed in, the door to everybody else; judge a form by its session's key."""

    @wraps(page)
    def behind(*args: Any, **named: Any) -> Any:
        g.form_key = keeper().form_key(request.cookies.get(COOKIE, ""))
        if g.form_key is None:
            return redirect(url_for("door.ask"), 303)
        if request.method == "POST" and not _is_own(request.form.get("key", "")):
            abort(403)
        return page(*args, **named)

    return behind


def _is_own(given: str) -> bool:
    return _same_origin() and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), g.form_key.encode())


def _same_origin() -> bool:
    """Tell whether a form comes from our own page (Fetch Metadata; RFC 6454); without either it is no browser."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in {"same-origin", "none"}
    return origin is None or origin.partition("://")[2] == request.host


@routes.get("/door")
def ask() -> str:
    """Ask for the password."""
    return _door(None)


@routes.post("/door")
def enter() -> Response | tuple[str, int]:
    """Let somebody in, or count a wrong try."""
    place = request.remote_addr or ""
    if not _same_origin():
        abort(403)
    if keeper().is_shut(place):
        return _door(LATER), 429
    token = keeper().enter(request.form.get("password", "")[:_LONGEST], place)
    if token is None:
        _log.warning("device_page_refused")
        return _door(WRONG), 403
    answer = redirect(url_for("page.show"), 303)
    secure = request.is_secure
    answer.set_cookie(COOKIE, token, max_age=int(LASTS), httponly=True, samesite="Strict", secure=secure, path="/")
    return answer


@routes.post("/leave")
@guarded
def leave() -> Response:
    """End the session."""
    keeper().leave(request.cookies.get(COOKIE, ""))
    answer = redirect(url_for("door.ask"), 303)
    answer.delete_cookie(COOKIE, samesite="Strict", httponly=True, secure=request.is_secure)
    return answer


def _door(wrong: str | None) -> str:
    return render_template("door.html", wrong=wrong, ready=keeper().is_ready())
