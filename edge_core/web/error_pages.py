# SPDX-License-Identifier: EUPL-1.2
"""Turns every error into a clear page with the right status; what went wrong inside is logged, never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException, TooManyRequests

from edge_core import logs
from edge_core.i18n import N_

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug import Response

_log = logs.get(__name__)
_UNAVAILABLE = 503
_INTERNAL = 500
_CLIENT = range(400, 500)

EXPLANATIONS: dict[int, tuple[str, str]] = {
    400: (N_("This request can't be read"), N_("Go back, check what you entered and try again.")),
    403: (N_("Not from here"), N_("Only your own device, on this page, can ask for this. Go back to the first page.")),
    404: (N_("This page doesn't exist"), N_("It may have moved or ended. What the park has to offer is one tap away.")),
    405: (N_("This can't be done here"), N_("Go back and use the buttons of the page.")),
    413: (N_("That's too long"), N_("Shorten your text and send it again.")),
    414: (N_("This address is too long"), N_("Start again from the first page.")),
    429: (N_("That's a lot at once"), N_("Wait a minute and try again.")),
    500: (N_("Something went wrong on our side"), N_("It was noted. Try again in a moment; the rest still works.")),
    503: (N_("Not available right now"), N_("Try again in a moment; the rest still works.")),
}
"""Status → (title, what to do), to be translated where they are shown."""


def explain(status: int) -> tuple[str, str]:
    """Return the title and the remedy of a status, in English, for translation."""
    fallback = 400 if status in _CLIENT else 500
    return EXPLANATIONS.get(status, EXPLANATIONS[fallback])


def install(app: Flask, render: Callable[[int, str, str], str | Response]) -> None:
    """Answer errors with `render(status, title, remedy)`; title and remedy are English texts of the catalogue."""

    @app.errorhandler(HTTPException)
    def known(error: HTTPException) -> HTTPException | tuple[str | Response, int, dict[str, str]]:
        if error.code is None or error.code < _CLIENT.start:
            return error  # a redirect of the router
        wait = error.retry_after if isinstance(error, TooManyRequests) else None
        headers = {"Retry-After": str(wait)} if isinstance(wait, int) else {}
        return render(error.code, *explain(error.code)), error.code, headers

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> tuple[str | Response, int]:
        _log.error("page_failed", kind=type(error).__name__, exc_info=error)
        return render(_INTERNAL, *explain(_INTERNAL)), _INTERNAL
