# SPDX-License-Identifier: EUPL-1.2
"""The park's news."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from captive_portal import visit

blueprint = Blueprint("news", __name__)
PREFIX = "/<lang:lang>/news"
_SHOWN = 30


@blueprint.get("")
def index() -> str:
    """List the news, latest first."""
    return render_template("news/index.html", news=visit.house().replica.latest_news(_SHOWN))


@blueprint.get("/<key>")
def one(key: str) -> str:
    """Show one piece of news."""
    return render_template("news/one.html", item=visit.house().replica.get("news", key) or abort(404))
