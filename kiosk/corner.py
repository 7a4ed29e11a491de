# SPDX-License-Identifier: EUPL-1.2
"""The public service corner's page: which sites of administrations open here, what is kept (nothing), how it ends.

It opens nothing itself: it leaves a wish, which the device service and systemd carry out (kiosk/devices/screen).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, render_template, url_for

from edge_core import clock, logs, uplink
from kiosk import corner_wish
from kiosk.corner_rules import MINUTES, administrations
from kiosk.corner_wish import Wish
from kiosk.here import content, kiosk, view

if TYPE_CHECKING:
    from werkzeug import Response

routes = Blueprint("corner", __name__)
_log = logs.get(__name__)


def is_here() -> bool:
    """Tell whether this kiosk has a corner: a technician turned it on, and the content has sites for it."""
    here = kiosk().settings.kiosk
    return here.screen and here.public_corner and bool(administrations(content()))


@routes.get("/<view:view>/corner")
def page() -> str:
    """List the sites, and say what happens to what one does there."""
    _require()
    way = uplink.read(kiosk().settings.run_dir)
    return render_template(
        "corner.html", sites=administrations(content()), cut=way is not None and not way.up, minutes=MINUTES
    )


@routes.post("/<view:view>/corner/<key>")
def ask(key: str) -> Response:
    """Have a site opened."""
    _require()
    if all(site["id"] != key for site in administrations(content())):
        abort(404)
    try:
        corner_wish.leave(kiosk().settings.run_dir, Wish(key, view().tongue, clock.now()))
    except OSError as error:
        _log.error("corner_not_asked", reason=error.strerror)
        abort(503)
    return redirect(url_for("corner.opening"), 303)


@routes.get("/<view:view>/corner/opening")
def opening() -> str:
    """Say that it opens; who still reads this after a while is told that it doesn't."""
    _require()
    return render_template("corner_opening.html", refresh=corner_wish.FRESH)


def _require() -> None:
    if not is_here():
        abort(404)
