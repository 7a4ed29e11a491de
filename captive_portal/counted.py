# SPDX-License-Identifier: EUPL-1.2
"""Counts which pages of the content are read and what companies are searched for; of ten and more alone.

Pages that the front answers from its own memory are not seen here: the counts are of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g, request

from edge_core import interest

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response

    from edge_core.settings import Settings

PAGES = {
    "companies.one": "companies", "events.one": "events", "news.one": "news", "plan.one": "plans",
    "services.one": "services", "pages.one": "pages",
}  # fmt: skip
_PLACE = "portal"
_OK = 200


def install(app: Flask, settings: Settings, now: Callable[[], float]) -> None:
    """Count each page that was answered well."""
    wanted = settings.presence
    seen = interest.Interest(_PLACE, min(wanted.window, 300), wanted.minimum, wanted.rounding)

    @app.after_request
    def count(response: Response) -> Response:
        interest.record(seen, settings.edge_db, now())
        key, who = (request.view_args or {}).get("key"), request.remote_addr or ""
        if response.status_code == _OK and who:
            if request.endpoint in PAGES and key:
                seen.read(PAGES[request.endpoint], str(key), who)
            elif request.endpoint == "companies.index" and (asked := request.args.get("q", "").strip()):
                seen.searched(asked, who, found=g.get("found", True))
        return response
