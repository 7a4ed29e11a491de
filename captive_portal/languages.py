# SPDX-License-Identifier: EUPL-1.2
"""The language of a page: the first part of its path, else what the browser asks for. No cookie remembers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import g, request
from werkzeug.routing import BaseConverter

from captive_portal import visit
from edge_core import i18n

if TYPE_CHECKING:
    from flask import Flask


class LanguageConverter(BaseConverter):
    """A language code as the first part of a path."""

    regex = "|".join(i18n.NAMES)


def install(app: Flask) -> None:
    """Take the language out of each path and put it back into each link."""
    app.url_map.converters["lang"] = LanguageConverter
    app.add_template_global(in_language, "in_language")
    app.jinja_env.globals["language_names"] = i18n.NAMES

    @app.url_value_preprocessor
    def choose(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.language = visit.house().languages[_code(values)]

    @app.url_defaults
    def keep(endpoint: str, values: dict[str, Any]) -> None:
        if "lang" not in values and app.url_map.is_endpoint_expecting(endpoint, "lang"):
            values["lang"] = g.language.code


def _code(values: dict[str, Any] | None) -> str:
    first = request.path.split("/", 2)[1] if "/" in request.path else ""
    if values and "lang" in values:
        return str(values.pop("lang"))
    return first if first in i18n.NAMES else i18n.negotiate(request.headers.get("Accept-Language"))


def in_language(code: str) -> str:
    """Return the address of this page in another language, its query included where it is a page of ours to keep."""
    parts = request.path.split("/", 2)
    spoken = len(parts) > 2 and parts[1] in i18n.NAMES
    rest = parts[2] if spoken else ""
    page = "" if request.method == "POST" and rest == "accept" else rest
    kept = spoken or request.path == "/"  # else it is the provider's answer, which is to be read once
    asked = query() if kept else ""
    return f"/{code}/{page}" + (f"?{asked}" if asked else "")


def query() -> str:
    """Return what this page was asked with, or the hole in a page that is made for more than one guest."""
    return str(g.get("query", request.query_string.decode("ascii", "replace")))


def current_code() -> str:
    """Return the code of this request's language."""
    return str(g.language.code)
