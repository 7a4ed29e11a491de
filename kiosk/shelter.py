# SPDX-License-Identifier: EUPL-1.2
"""What the browser shows while these pages are away: a worker that keeps the first screen and a page for all others.

Only pages that are the same for everybody are kept: nothing that a visitor did or typed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from flask import Blueprint, Response, current_app, render_template, url_for

from edge_core.i18n import N_
from kiosk.frame import languages
from kiosk.here import content
from kiosk.session import fingerprint

routes = Blueprint("shelter", __name__)
_WORKER = Path(__file__).parent / "static" / "worker.js"
_SAID = N_("This screen is back in a moment. Meanwhile, the reception helps you.")
_SCRIPTS = ("session", "devices", "away")


@routes.get("/worker.js")
def worker() -> Response:
    """Serve the worker (W3C Service Workers) with what it keeps; its text changes with them."""
    files = [current_app.jinja_env.globals["stylesheet"]()]  # type: ignore[operator]
    files += [url_for("session.script", name=name, version=fingerprint(name)) for name in _SCRIPTS]
    pages = {"first": url_for("attract.page"), "away": url_for("shelter.away")}
    version = hashlib.sha256(repr((files, content().version())).encode()).hexdigest()[:12]
    kept = json.dumps({"version": version, "files": files, "pages": pages})
    text = _WORKER.read_text(encoding="utf-8").replace("__KEPT__", kept)
    return Response(text, mimetype="text/javascript", headers={"Cache-Control": "no-cache"})


@routes.get("/away")
def away() -> str:
    """Show the page for when the others are away: one moment, and where people are."""
    said = {code: each.gettext(_SAID) for code, each in languages().items()}
    return render_template("away.html", said=said)
