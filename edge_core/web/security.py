# SPDX-License-Identifier: EUPL-1.2
"""Security headers of every answer: nothing from elsewhere, no inline script or style, no framing, nothing sniffed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask, Response

POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": Chromium would send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def harden(app: Flask, **also: str) -> None:
    """Send the headers with every answer. A page is never stored unless its view says so.

    `also` opens what one application alone needs: `media_src="blob:"`.
    """
    opened = {name.replace("_", "-"): sources for name, sources in also.items()}
    policy = "; ".join(f"{name} {value}" for name, value in {**POLICY, **opened}.items())
    headers = {**_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-store"}

    @app.after_request
    def send(response: Response) -> Response:
        own = {name.lower() for name in response.headers.keys()}  # noqa: SIM118  headers are a list of pairs
        response.headers.extend((name, value) for name, value in headers.items() if name.lower() not in own)
        return response
