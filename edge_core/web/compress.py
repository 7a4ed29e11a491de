# SPDX-License-Identifier: EUPL-1.2
"""Compresses text answers by gzip where the client takes it, for the times when no web server stands in front."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from flask import request

if TYPE_CHECKING:
    from flask import Flask, Response

_SMALLEST = 800  # bytes; below, the header costs more than it saves
_TYPES = ("text/", "application/json", "application/captive+json", "image/svg+xml")
_LEVEL = 5


def compress(app: Flask) -> None:
    """Compress what is worth it. Pages hold no secret beside their reader's own words (no BREACH, CVE-2013-3587)."""

    @app.after_request
    def squeeze(response: Response) -> Response:
        if response.direct_passthrough or not (response.mimetype or "").startswith(_TYPES):
            return response
        response.vary.add("Accept-Encoding")
        body = response.get_data()
        if len(body) < _SMALLEST or "Content-Encoding" in response.headers:
            return response
        if request.accept_encodings["gzip"] > 0:
            response.set_data(gzip.compress(body, _LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
        return response
