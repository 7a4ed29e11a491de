# SPDX-License-Identifier: EUPL-1.2
"""What surrounds every page: the view that its address asks for, the language, the park, the switches of the bar."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import current_app, g, render_template, request, url_for
from werkzeug.routing import BuildError

from edge_core import clock, i18n
from edge_core.i18n import N_
from edge_core.web import dates
from kiosk import outside, speech
from kiosk.here import content, kiosk, view
from kiosk.session import fingerprint
from kiosk.spacing import bound
from kiosk.view import TONGUES, View, parse

if TYPE_CHECKING:
    from flask import Flask

_LOCALES = (Path(i18n.__file__).parent / "web" / "locales", Path(__file__).parent / "locales")
_SWITCHES = (
    ("contrast", "contrast", N_("Contrast")),
    ("large", "letters", N_("Large text")),
    ("low", "reach", N_("Low screen")),
    ("speech", "voice", N_("Speech")),
)


def install(app: Flask) -> None:
    """Read the view from each address before its page, and give templates what the frame shows."""
    spoken = languages()

    @app.before_request
    def look() -> None:
        chosen = parse(request.path.split("/", 2)[1])
        g.view = chosen or (
            View() if request.path == "/" else View(i18n.negotiate(request.headers.get("Accept-Language")))
        )
        g.language = spoken[g.view.tongue]

    @app.url_value_preprocessor
    def take(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values:
            values.pop("view", None)

    @app.url_defaults
    def give(endpoint: str, values: dict[str, Any]) -> None:
        if "view" not in values and app.url_map.is_endpoint_expecting(endpoint, "view"):
            values["view"] = view()

    app.context_processor(_surroundings)
    app.template_filter("content")(lambda value: bound(g.language.text(value)))
    app.template_filter("without_links")(lambda value: outside.without_links(bound(g.language.text(value))))
    app.template_filter("hour")(lambda value: dates.hour(value, g.language))
    app.template_filter("web_address")(outside.web_address)
    app.template_filter("shown")(outside.shown)
    app.template_filter("foreign")(lambda value: speaks(value, g.language.code))
    app.template_global("code")(outside.code)
    app.template_global("script")(lambda name: url_for("session.script", name=name, version=fingerprint(name)))


@cache
def languages() -> dict[str, i18n.Language]:
    """Return the four languages, and easy French, with the kiosk's words."""
    return {**i18n.load(*_LOCALES), i18n.EASY: i18n.easy(*_LOCALES)}


def refusal(_status: int, title: str, remedy: str) -> str:
    """Return the page that explains an error, in the person's language."""
    return render_template("refusal.html", title=title, remedy=remedy)


def again(other: View) -> str:
    """Return the address of this page in another view; from one that has none, such as the first, a visit begins."""
    endpoint = request.endpoint or ""
    if endpoint and not current_app.url_map.is_endpoint_expecting(endpoint, "view"):
        return url_for("attract.start", view=other)
    try:
        if request.url_rule and "GET" not in (request.url_rule.methods or ()):  # such as a form's refusal: to its topic
            return url_for(f"{request.blueprint}.page", view=other)
        return url_for(endpoint, **{**request.args, **(request.view_args or {}), "view": other})
    except (BuildError, TypeError):
        return url_for("home.page", view=other)


def speaks(value: object, code: str) -> str:
    """Return the language of a content's text where it isn't `code`, for its `lang` (WCAG 2.2, 3.1.2); else ""."""
    if not isinstance(value, dict) or value.get(code):
        return ""
    return next((known for known in (i18n.DEFAULT, *i18n.NAMES) if value.get(known)), "")


def _surroundings() -> dict[str, Any]:
    here = kiosk()
    now = dates.here(clock.now())
    speaks = speech.available()
    return {
        "view": view(),
        "park": content().park(),
        "site_name": here.settings.site.name,
        "now": now,
        "version": content().version(),
        "idle": here.idle,
        "warning": here.warning,
        "again": again,
        "languages": i18n.NAMES,
        "tongues": TONGUES,
        "switches": _SWITCHES if speaks else _SWITCHES[:-1],
        "speaks": speaks,
    }
