# SPDX-License-Identifier: EUPL-1.2
"""Help: whom to call, where the desk is, and what the park says about itself and about personal data."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from kiosk.here import content

routes = Blueprint("desk", __name__)
_OTHERS = ("about", "terms", "privacy")


@routes.get("/<view:view>/help")
def page() -> str:
    """Show who helps."""
    pages = [found for key in _OTHERS if (found := content().get("pages", key))]
    return render_template("help.html", contacts=content().get("pages", "contacts"), pages=pages)


@routes.get("/<view:view>/page/<key>")
def text(key: str) -> str:
    """Show one of the park's own texts."""
    return render_template("text.html", text=content().get("pages", key) or abort(404))
