# SPDX-License-Identifier: EUPL-1.2
"""Judges a form before it is obeyed: it comes from our own page, or it is refused."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from flask import abort, current_app, request


def only_from_our_page() -> None:
    """Refuse what another site's page sends: a wrong token, another origin, a name that may be rebound to us."""
    host = urlsplit(f"//{request.host}").hostname or ""
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            abort(403)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        abort(403)
    if not hmac.compare_digest(request.form.get("token", "").encode(), current_app.extensions["token"].encode()):
        abort(403)
