# SPDX-License-Identifier: EUPL-1.2
"""Going online by a link in an e-mail. The link is bound to the device that asked for it, and to half an hour."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, render_template, request, url_for

from captive_portal import access, entry, guard, hosts, letters, plans, turns, visit, ways
from edge_core import logs
from edge_core.i18n import N_
from edge_core.store.grants import Holder
from edge_core.web import templating

if TYPE_CHECKING:
    from werkzeug import Response

    from captive_portal.plans import Plan

blueprint = Blueprint("mail", __name__)
PREFIX = "/<lang:lang>"
_log = logs.get(__name__)
_PURPOSE = "mail"
_TIME = 1800  # seconds that a link holds
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}")
_UNREADABLE, _FORBIDDEN, _AWAY = 422, 403, 503


@blueprint.get("/mail")
def form() -> str:
    """Ask where the link is to be sent."""
    _plan()
    return _ask("", "")


@blueprint.post("/mail")
def send() -> tuple[str, int]:
    """Send the link, and open the way for the minutes that it takes to read it."""
    plan, house = _plan(), visit.house()
    if visit.current().client.mac is None:
        return render_template("access/elsewhere.html"), _FORBIDDEN
    guard.check()
    if plan.until(house.now()) is None:
        return access.closed(plan)
    address = request.form.get("email", "").strip()
    if not _ADDRESS.fullmatch(address):
        return _ask(address[:200], N_("Check this e-mail address.")), _UNREADABLE
    entry.require_pre_grant()
    mailbox = house.seal.make("mailbox", address.lower())
    guard.limit(house.limits.mails)
    guard.limit(house.limits.mailboxes, key=mailbox)
    try:
        _post(address, mailbox)
    except letters.LetterError:
        return _ask(address, N_("The link can’t be sent at the moment. Try again, or choose another way.")), _AWAY
    entry.pre_grant()
    return render_template("mail/sent.html", minutes=house.settings.access.pre_grant), 200


@blueprint.get("/mail/<sealed>")
def opened(sealed: str) -> str | tuple[str, int]:
    """Show the button that goes online: who only looks at a link, as mail servers do, uses nothing."""
    found = _opened(sealed)
    return render_template("mail/link.html", sealed=sealed) if found else _refused()


@blueprint.post("/mail/<sealed>")
def use(sealed: str) -> Response | tuple[str, int]:
    """Let the device in for which the link was made."""
    guard.check()
    plan, house, found = _plan(), visit.house(), _opened(sealed)
    until = plan.until(house.now())
    if found is None:
        return _refused()
    if until is None:
        return access.closed(plan)
    holder = Holder(f"person:{found['person']}", plan.devices)
    return entry.let_in(plan.id, until - house.now(), plan.limits, holder)


def _plan() -> Plan:
    return ways.plan(plans.MAIL) or abort(404)


def _post(address: str, mailbox: str) -> None:
    house, language = visit.house(), templating.language()
    sealed = house.seal.close(_PURPOSE, {"device": _device(), "person": mailbox}, house.now() + _TIME)
    link = _home() + url_for("mail.opened", sealed=sealed).lstrip("/")
    words = {"name": house.settings.site.name, "link": link, "minutes": _TIME // 60}
    subject = language.gettext(N_("Your link to the WiFi of %(name)s")) % words
    text = language.gettext(
        N_(
            "Hello,\n\nopen this link on the device that asked for it, to go online on the WiFi of %(name)s:\n\n"
            "%(link)s\n\nIt holds for %(minutes)s minutes and opens nothing on another device. "
            "If you did not ask for it, do nothing.\n"
        )
    )
    with turns.aside():
        letters.send(house.settings.mail, address, subject, text % words, house.now())


def _home() -> str:
    """Return our address for the letter: as the settings have it, since a Host header may say anything."""
    settings = visit.house().settings
    open_here = settings.enforcement.mode == "none" and not settings.portal.hostname
    return request.host_url if open_here and hosts.split(request.environ.get("HTTP_HOST")) else hosts.public(settings)


def _device() -> str:
    return visit.house().seal.make("device", visit.current().client.key)


def _opened(sealed: str) -> dict[str, Any] | None:
    """Return what a link holds, where it was made for the device that asks and its time is not over."""
    house, here = visit.house(), visit.current()
    found = house.seal.open(sealed, _PURPOSE, house.now())
    same = found is not None and here.client.mac is not None and hmac.compare_digest(str(found["device"]), _device())
    return found if same else None


def _refused() -> tuple[str, int]:
    _log.info("link_refused")
    return render_template("mail/refused.html"), _FORBIDDEN


def _ask(address: str, wrong: str) -> str:
    return render_template("mail/form.html", address=address, wrong=wrong)
