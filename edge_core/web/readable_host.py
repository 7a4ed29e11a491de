# SPDX-License-Identifier: EUPL-1.2
"""Replaces a Host header that is no host: the router refuses it so early that no page of ours could explain it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask

NO_HOST = "invalid"
"""A name that nobody has (RFC 6761, 6.4)."""
_LABEL = "[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"(?=.{{1,255}}\Z)(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")


def install(app: Flask) -> None:
    """Let the application see only hosts that can be read (RFC 9110, 7.2)."""
    app.wsgi_app = _readable(app.wsgi_app)  # type: ignore[method-assign,assignment]


def _readable(inner: WSGIApplication) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if not _HOST.fullmatch(environ.get("HTTP_HOST", NO_HOST)):
            environ["HTTP_HOST"] = NO_HOST
        return inner(environ, start)

    return answer
