# SPDX-License-Identifier: EUPL-1.2
"""Counts how the kiosk is used: touches, visits, pages by the id of their content, searches. Nobody is told apart.

A visit has a number that lives in memory: it begins when somebody leaves the first screen and ends when it comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from edge_core import clock, interest
from kiosk.find import answers, question

if TYPE_CHECKING:
    from flask import Flask, Response

    from edge_core.settings import Settings

PAGES = {
    "company.page": "companies", "events.one": "events", "news.one": "news", "services.page": "services",
    "plan.floor": "plans", "help.page": "pages",
}  # fmt: skip
_NO_TOUCH = frozenset({"session.heartbeat", "session.health", "session.script", "session.favicon"})
_SEARCHES = frozenset({"find.page", "find.fragment"})
_FIRST_SCREEN = frozenset({"attract.page", "session.leave"})
_WINDOW = 3600
"""Seconds: a kiosk has a few visits in five minutes, and nothing of a visitor is remembered from one to the next."""
_GOOD = (200, 302, 303)


class _Screen:
    """What is known of the one screen: the visit's number, and the search whose letters are still being typed."""

    def __init__(self) -> None:
        self.visit = 1
        self.typed = ""


def install(app: Flask, settings: Settings) -> None:
    """Count each page that was answered well."""
    wanted = settings.presence
    seen = interest.Interest(settings.device.id, _WINDOW, wanted.minimum, wanted.rounding)
    screen = _Screen()

    @app.after_request
    def count(response: Response) -> Response:
        interest.record(seen, settings.edge_db, clock.now())
        if response.status_code in _GOOD and request.blueprint is not None and request.endpoint not in _NO_TOUCH:
            _count(seen, screen)
        return response


def _count(seen: interest.Interest, screen: _Screen) -> None:
    endpoint, who = request.endpoint or "", str(screen.visit)
    if endpoint in _SEARCHES:
        screen.typed = question(request.args.get("q", "")) or screen.typed
    elif screen.typed:
        # Answers come at each letter: what was looked for is what stood there when something else was touched.
        seen.searched(screen.typed, who, found=bool(answers(screen.typed)))
        screen.typed = ""
    if endpoint in _FIRST_SCREEN:
        screen.visit += 1
    elif endpoint != "find.fragment":
        seen.touched(who)
    if endpoint in PAGES and (key := (request.view_args or {}).get("key")):
        seen.read(PAGES[endpoint], str(key), who)
