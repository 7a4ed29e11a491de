# SPDX-License-Identifier: EUPL-1.2
"""Puts the portal together; nothing happens at import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, abort, redirect, render_template, request
from jinja2 import ChainableUndefined

from captive_portal import (
    access,
    api,
    caching,
    companies,
    counted,
    events,
    guard,
    hosts,
    languages,
    mail,
    mydata,
    news,
    opposition,
    pages,
    plan,
    probes,
    route,
    seal,
    services,
    shared_parts,
    sign_in,
    status,
    survey,
    transport,
    visit,
    vouchers,
    welcome,
)
from captive_portal.provider import Provider
from edge_core import clock, i18n, legal
from edge_core.errors import StoreError
from edge_core.store.replica import Replica
from edge_core.web import compress, error_pages, readable_host, scripts, security, stylesheet, templating

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug import Response
    from werkzeug.exceptions import HTTPException

    from edge_core.settings import Settings

_HERE = Path(__file__).parent
_SHARED = Path(security.__file__).parent
_BLUEPRINTS = (
    *(welcome, access, vouchers, sign_in, mail, status, mydata, opposition),
    *(news, events, companies, plan, route, transport, services, survey, pages),
)
_LARGEST_FORM = 16 * 1024
_LONGEST_PATH = 1024
_MISSING = 404


def create_app(settings: Settings, now: Callable[[], float] = clock.now) -> Flask:
    """Return the portal of a device. `now` is the clock, in seconds since 1970."""
    app = Flask("captive_portal", static_folder=None, root_path=str(_HERE))
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_FORM
    app.config["MAX_FORM_PARTS"] = 50
    app.jinja_env.undefined = ChainableUndefined  # content may lack any field
    replica = Replica(settings.content_db, settings.blobs_dir)
    key = seal.of(settings)
    seal.lend(settings, key)
    known = i18n.load(_SHARED / "locales", _HERE / "locales")
    provider = Provider(settings.sign_in) if settings.sign_in.issuer else None
    app.extensions[visit.KEY] = visit.House(settings, replica, key, known, now, provider)
    # After a request the last function runs first: compress, then headers, then what is kept of it.
    counted.install(app, settings, now)
    kept = caching.Caching()
    kept.keep(app)
    security.harden(app)
    compress.compress(app)
    templating.install(app, now)
    languages.install(app)
    shared_parts.install(app)
    probes.install(app)
    stylesheet.install(app, (stylesheet.PLAN, _HERE / "static" / "portal.css"), lambda: visit.park().get("colours"))
    app.register_blueprint(api.blueprint)
    for topic in _BLUEPRINTS:
        app.register_blueprint(topic.blueprint, url_prefix=topic.PREFIX)
    scripts.install(app, _HERE / "static")
    _guard_address(app)
    kept.offer(app)
    readable_host.install(app)
    _explain_errors(app)
    app.context_processor(_context)
    return app


def _context() -> dict[str, object]:
    """Return what every page knows: the park, who is here, the form's token."""
    return {
        "park": visit.park(),
        "cut_since": visit.cut_since(),
        "site_name": visit.house().settings.site.name,
        "visit": visit.current(),
        "form_token": guard.token,
        "form_once": guard.once,
        "now": visit.house().now,
        "secure_home": _secure_home(visit.house().settings),
        "sign_in_label": visit.house().settings.sign_in.label,
        "legal_record": legal.is_wanted(visit.house().settings, visit.house().now()),
    }


def _secure_home(settings: Settings) -> str:
    """Return the start of addresses that are to be read over TLS; "" where the portal has no certificate."""
    return hosts.public(settings).rstrip("/") if settings.portal.tls_certificate else ""


def _guard_address(app: Flask) -> None:
    @app.before_request
    def measure() -> None:
        """Refuse what no view could read: an address that is too long, or a query in another encoding."""
        if len(request.path) > _LONGEST_PATH:
            abort(414)
        try:
            request.query_string.decode("utf-8")
        except UnicodeDecodeError:
            abort(400)


def _explain_errors(app: Flask) -> None:
    def render(status: int, title: str, remedy: str) -> str:
        return render_template("error.html", status=status, title=title, remedy=remedy)

    error_pages.install(app, render)

    @app.errorhandler(StoreError)
    def unavailable(_error: StoreError) -> tuple[str, int]:
        return render(503, *error_pages.explain(503)), 503

    @app.errorhandler(_MISSING)
    def missing(_error: HTTPException) -> Response | tuple[str, int]:
        """Lead a page's short address, "/news", to the reader's language."""
        path = f"/{languages.current_code()}{request.path}"
        adapter = app.create_url_adapter(request)
        if request.path != "/" and request.path.split("/")[1] not in i18n.NAMES and adapter and adapter.test(path):
            return redirect(path, 302)
        return render(_MISSING, *error_pages.explain(_MISSING)), _MISSING
