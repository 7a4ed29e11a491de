# SPDX-License-Identifier: EUPL-1.2
"""Help: whom to call, calling the reception here, and what the park says about itself and about personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, render_template, url_for

from edge_core import clock, live
from kiosk.here import content, kiosk

if TYPE_CHECKING:
    from werkzeug import Response

routes = Blueprint("help", __name__)
_OTHERS = ("about", "terms", "privacy")


@routes.get("/<view:view>/help")
def page() -> str:
    """Show who helps, and whether somebody comes."""
    pages = [found for key in _OTHERS if (found := content().get("pages", key))]
    here = kiosk().settings
    call = live.calls(here, clock.now()).get(here.device.id)
    return render_template("help.html", contacts=content().get("pages", "contacts"), pages=pages, call=call)


@routes.post("/<view:view>/help/<any(call, cancel):action>")
def ask(action: str) -> Response:
    """Call the reception to this kiosk, or take the call back."""
    try:
        live.call(kiosk().settings, clock.now() if action == "call" else None)
    except OSError:
        abort(503)
    return redirect(url_for("help.page"), 303)


@routes.get("/<view:view>/page/<key>")
def text(key: str) -> str:
    """Show one of the park's own texts."""
    return render_template("text.html", text=content().get("pages", key) or abort(404))
