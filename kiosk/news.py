# SPDX-License-Identifier: EUPL-1.2
"""What is new in the park."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from kiosk.here import content

routes = Blueprint("news", __name__)
_SHOWN = 20


@routes.get("/<view:view>/news")
def page() -> str:
    """List the news, latest first."""
    return render_template("news.html", news=content().latest_news(_SHOWN))


@routes.get("/<view:view>/news/<key>")
def one(key: str) -> str:
    """Show one piece of news."""
    return render_template("news_one.html", piece=content().get("news", key) or abort(404))
