# SPDX-License-Identifier: EUPL-1.2
"""Texts of the park: terms, privacy, about, contacts."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from captive_portal import visit

blueprint = Blueprint("pages", __name__)
PREFIX = "/<lang:lang>/pages"
_EXPECTED = frozenset({"terms", "privacy", "about", "contacts"})


@blueprint.get("/<key>")
def one(key: str) -> str:
    """Show one text. The four that every page links to answer even before the content has come."""
    page = visit.house().replica.get("pages", key)
    if page is None and key not in _EXPECTED:
        abort(404)
    return render_template("pages/one.html", page=page or {}, key=key)
