# SPDX-License-Identifier: EUPL-1.2
"""Answers the probes of operating systems, and anybody who asked for another site: a redirect to the welcome page.

The front turns most of them away before they come here; behind another web server, or without any, this does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request

from captive_portal import hosts, turned_away, visit

if TYPE_CHECKING:
    from flask import Flask

PATHS = frozenset(
    {
        "/generate_204",
        "/gen_204",
        "/hotspot-detect.html",
        "/library/test/success.html",
        "/bag",
        "/connecttest.txt",
        "/ncsi.txt",
        "/redirect",
        "/canonical.html",
        "/success.txt",
        "/nm-check.txt",
        "/check_network_status.txt",
        "/kindle-wifi/wifistub.html",
        "/static/hotspot.txt",
    }
)
"""Paths of those probes, for a detector that was pointed at the portal itself."""


def install(app: Flask) -> None:
    """Turn away, before any view, whoever did not ask for the portal."""

    @app.before_request
    def turn_to_portal() -> Response | None:
        settings = visit.house().settings
        header = request.environ.get("HTTP_HOST")
        if hosts.is_own(header, settings):
            return _redirect(request.host_url if hosts.split(header) else "/") if request.path in PATHS else None
        path = request.environ.get("PATH_INFO", "")
        wanted = turned_away.first_asked(request.method, header, path, request.query_string)
        # Only an address that is kept is sealed for a device, so only then the kernel is asked which one it is.
        device = visit.current().client.key if wanted else ""
        return _redirect(turned_away.location(settings, visit.house().seal, device, wanted))


def _redirect(location: str) -> Response:
    headers = {"Location": location, "Cache-Control": "no-store"}
    return Response(turned_away.body(location), 302, headers, mimetype="text/html")
