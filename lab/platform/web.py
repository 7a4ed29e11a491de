# SPDX-License-Identifier: EUPL-1.2
"""The page, the JSON for scripts, the repository's files. Reads the store only; a decision goes to the writer."""

from __future__ import annotations

import secrets
import sqlite3
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from werkzeug.exceptions import HTTPException

from lab.platform import chart, leasing, quotas, replies, report, store, visits, wishes, words
from lab.platform.inbox import Decision, Inbox
from lab.platform.origin import only_from_our_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.typing import ResponseReturnValue
    from werkzeug.wrappers import Response

    from lab.platform.store import Connection

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_IMMUTABLE = ("blobs/", "targets/blobs/")
pages = Blueprint("pages", __name__)


@dataclass(frozen=True)
class Surroundings:
    """What the page needs to know of the rest of the process."""

    store: str | Path
    repository: Path
    inbox: Inbox
    manual: bool
    broker_up: Callable[[], bool]
    store_failure: Callable[[], str | None]
    version: Callable[[], int | None]


def create_app(surroundings: Surroundings) -> Flask:
    """Wire the application."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 16384
    app.extensions["platform"] = surroundings
    app.extensions["token"] = secrets.token_hex(16)
    app.url_map.merge_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(pages)
    app.register_blueprint(visits.pages)
    app.after_request(_harden)
    app.teardown_request(_close)
    app.register_error_handler(sqlite3.Error, _store_failed)
    app.register_error_handler(HTTPException, _plain)
    return app


def _around() -> Surroundings:
    surroundings: Surroundings = current_app.extensions["platform"]
    return surroundings


def _store() -> Connection:
    if "store" not in g:
        g.store = store.open_reader(_around().store)
    connection: Connection = g.store
    return connection


def _close(_error: BaseException | None) -> None:
    connection = g.pop("store", None)
    if connection is not None:
        connection.close()


def _harden(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _store_failed(error: sqlite3.Error) -> ResponseReturnValue:
    return f"The store can't be read: {error}. See the log.\n", 503, {"Content-Type": "text/plain"}


def _plain(error: HTTPException) -> ResponseReturnValue:
    return f"{error.code} {error.name}\n", error.code or 500, {"Content-Type": "text/plain"}


@pages.get("/")
def page() -> str:
    """Show everything on one page."""
    language = _language()
    return render_template(
        "page.html", state=_state(), events=report.events(_store(), None, 15), aside=report.dead_letters(_store(), 8),
        charts=_charts(language), t=words.LANGUAGES[language], verdicts=words.VERDICTS[language], now=time.time(),
        states=words.STATES[language], kinds=words.EVENTS[language], language=language, words=words,
        token=current_app.extensions["token"], sites=visits.sites(_store()), pass_of=visits.pass_of,
        settings=wishes.known(),
    )  # fmt: skip


@pages.get("/api/state")
def api_state() -> ResponseReturnValue:
    """Answer what the page shows, for scripts (README.md has its shape)."""
    return jsonify(_state())


@pages.get("/api/events")
def api_events() -> ResponseReturnValue:
    """Answer the latest events, of one type or of all."""
    return jsonify(report.events(_store(), request.args.get("type"), _limit()))


@pages.get("/api/dead-letters")
def api_dead_letters() -> ResponseReturnValue:
    """Answer what was set aside last."""
    return jsonify(report.dead_letters(_store(), _limit()))


@pages.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer 200 when broker and store work."""
    broker, failure = _around().broker_up(), _around().store_failure()
    return jsonify(broker=broker, store=failure), 200 if broker and failure is None else 503


@pages.post("/requests/<uuid:key>")
def decide(key: Any) -> ResponseReturnValue:
    """Decide on a request; the reply is on its way when this answers."""
    only_from_our_page()
    state, reason = request.form.get("decision", ""), request.form.get("reason", "")[:500] or None
    if state not in {"accepted", "rejected", "waitlisted", "done"}:
        abort(400)
    _change(lambda connection: replies.answer(connection, str(key), state, reason, time.time()), missing=409)
    return redirect(url_for(".page", lang=_known(request.form.get("lang")), _anchor="requests"), 303)


@pages.post("/quotas")
def put_quota() -> ResponseReturnValue:
    """Say how many there are of something scarce, and how many of them each device may promise by itself."""
    only_from_our_page()
    try:
        quota = quotas.read(request.form)
    except quotas.BadQuotaError as error:
        return f"{error}\n", 400, {"Content-Type": "text/plain; charset=utf-8"}
    _change(lambda connection: 0 if quotas.put(connection, quota) else None, missing=409)
    return redirect(url_for(".page", lang=_known(request.form.get("lang")), _anchor="quotas"), 303)


@pages.post("/leases/<uuid:key>/release")
def release(key: Any) -> ResponseReturnValue:
    """Free what a device that never comes back holds: a person's decision (R-407)."""
    only_from_our_page()
    _change(lambda connection: leasing.release(connection, str(key)), missing=409)
    return redirect(url_for(".page", lang=_known(request.form.get("lang")), _anchor="quotas"), 303)


@pages.post("/devices/<site>/<name>/desired")
def wish(site: str, name: str) -> ResponseReturnValue:
    """Wish for settings of a device; an empty field leaves that setting to the device's own file."""
    only_from_our_page()
    settings = wishes.read(request.form)
    if settings is None:
        abort(400)
    _change(lambda connection: wishes.ask(connection, site, name, settings, time.time()), missing=404)
    return redirect(url_for(".page", lang=_known(request.form.get("lang")), _anchor="devices"), 303)


def _change(change: Callable[[Connection], int | None], missing: int) -> None:
    """Have the writer do something; abort with `missing` where it can't be done so, 503 where the store fails."""
    done: Future[Any] = Future()
    _around().inbox.put(Decision(change, done))
    try:
        device = done.result(timeout=5)
    except (NotInTime, sqlite3.Error):
        abort(503)
    if device is None:
        abort(missing)


@pages.get("/repository/<path:name>")
def repository(name: str) -> ResponseReturnValue:
    """Serve a file of the signed repository, with ETag and Range (R-601)."""
    if any(part.startswith(".") for part in name.split("/")):
        abort(404)
    response = send_from_directory(_around().repository.resolve(), name, conditional=True)
    immutable = name.startswith(_IMMUTABLE)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if immutable else "no-cache"
    return response


def _state() -> dict[str, Any]:
    around, connection = _around(), _store()
    # One read transaction: the parts of the account belong together.
    connection.execute("BEGIN")
    state = {
        "broker": around.broker_up(), "store": around.store_failure(), "feed": around.version(),
        "answer": "manual" if around.manual else "accept", "devices": report.devices(connection),
        "events": report.totals(connection), "refused": report.refusals(connection),
        "sessions": report.sessions(connection, 100), "session_counts": report.session_counts(connection),
        "requests": report.requests(connection, 100), "visits": visits.latest(connection, 100),
        "presence": report.presence(connection, 288), "quotas": quotas.shown(connection),
        "leases": leasing.outstanding(connection),
    }  # fmt: skip
    connection.execute("COMMIT")
    return state


def _charts(language: str) -> list[tuple[str, list[dict[str, Any]], Any]]:
    title = words.LANGUAGES[language]["occupancy"]
    charts = []
    for zone, rows in report.presence(_store(), 96).items():
        windows = [chart.Window(row["start"], row["seconds"], row["associated"], row["online"]) for row in rows]
        charts.append((zone, rows, chart.draw(windows, title=f"{title}, {zone}")))
    return charts[:4]


def _language() -> str:
    return _known(request.args.get("lang")) or request.accept_languages.best_match(["fr", "en"]) or "fr"


def _known(language: str | None) -> str | None:
    return language if language in words.LANGUAGES else None


def _limit() -> int:
    return max(1, min(request.args.get("limit", 100, type=int), 1000))
