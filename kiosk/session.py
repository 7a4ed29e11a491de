# SPDX-License-Identifier: EUPL-1.2
"""Ends a visit without a trace, and tells the device that its page is alive.

The page counts the idle seconds; here is only what it calls: /leave, the heartbeat, and /health for the supervisor.
"""

from __future__ import annotations

import contextlib
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, redirect, request, url_for

from edge_core import clock
from edge_core.web import dates
from edge_core.web.templating import language
from kiosk.here import content, kiosk

if TYPE_CHECKING:
    from werkzeug import Response as Answer

routes = Blueprint("session", __name__)
_FOREVER = "public, max-age=31536000, immutable"
SCRIPTS = frozenset({"session", "devices", "away", "find", "follow", "form", "keyboard", "keys", "reception", "speech"})


@cache
def fingerprint(name: str) -> str:
    """Return what tells one text of a script from the next."""
    return hashlib.sha256(_text(name)).hexdigest()[:12]


@cache
def _text(name: str) -> bytes:
    return (Path(__file__).parent / "static" / f"{name}.js").read_bytes()


@routes.get("/leave")
def leave() -> Answer:
    """Go back to the first screen; the browser forgets all that this visit left (W3C Clear Site Data)."""
    answer = redirect(url_for("attract.page"), 303)
    answer.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return answer


@routes.post("/<view:view>/heartbeat")
def heartbeat() -> dict[str, Any]:
    """Note that the page is alive, and whether it is the first.

    Return the time for its clock and the version of the content that is served.
    """
    with contextlib.suppress(OSError):  # a full disk must not take the page down with it
        path = _heartbeat_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("first" if "first" in request.args else "visit", encoding="ascii")
    here = dates.here(clock.now())
    return {"content": content().version(), "time": dates.clock(here, language())}


@routes.get("/health")
def health() -> dict[str, Any]:
    """Say that this process answers, what it serves, and how many seconds ago a page was alive (null: never)."""
    return {"ok": True, "content": content().version(), "page_seen": page_seen()}


@routes.get("/-/<name>.<version>.js")
def script(name: str, version: str) -> Response:
    """Serve one of our scripts; its address changes with its text."""
    if name not in SCRIPTS or version != fingerprint(name):
        abort(404)
    return Response(_text(name), mimetype="text/javascript", headers={"Cache-Control": _FOREVER})


@routes.get("/favicon.ico")
def favicon() -> tuple[str, int]:
    """Answer what every browser asks for; a screen without tabs shows no icon."""
    return "", 204


def _heartbeat_file() -> Path:
    return kiosk().settings.run_dir / "kiosk.heartbeat"


def page_seen() -> float | None:
    """Return how many seconds ago a page was alive; None where none ever was."""
    try:
        return round(max(0.0, clock.now() - _heartbeat_file().stat().st_mtime), 1)
    except OSError:
        return None
