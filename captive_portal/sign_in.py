# SPDX-License-Identifier: EUPL-1.2
"""Signing in with the platform's provider: there and back without a cookie, and by this browser's pass without it.

What has to be remembered in between travels in `state`, sealed and bound to the device: who steals it can't use it.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Blueprint, abort, g, make_response, render_template, request

from captive_portal import access, entry, guard, hosts, languages, passes, plans, visit, ways
from captive_portal.provider import Provider, ProviderError
from edge_core import logs
from edge_core.i18n import N_
from edge_core.store.grants import Holder

if TYPE_CHECKING:
    from flask import Response
    from werkzeug import Response as BaseResponse

    from captive_portal.plans import Plan
    from edge_core.settings import Settings

blueprint = Blueprint("sign_in", __name__)
PREFIX = ""
_log = logs.get(__name__)
_PURPOSE = "sign-in"
_LONGEST = 2000  # characters of a code
_TIME = 900  # seconds to sign in
_FORBIDDEN, _AWAY = 403, 503
TROUBLES = {
    "away": N_("The sign-in service can’t be reached at the moment. Try again, or choose another way."),
    "refused": N_("The sign-in service did not confirm who you are. Try again."),
    "other": N_("This sign-in was begun on another device, or too long ago. Begin again on this one."),
    "pass": N_("This browser has no pass that still holds. Sign in once to get one."),
}


@blueprint.get("/<lang:lang>/sign-in", endpoint="page")
def page() -> str:
    """Show the button, and the one for this browser's pass where it has one."""
    _plan()
    return _show("")


@blueprint.post("/<lang:lang>/sign-in")
def start() -> Response | tuple[str, int]:
    """Open the way to the provider and go there; by a Refresh header, since our form-action allows no other site."""
    plan, house = _plan(), visit.house()
    if visit.current().client.mac is None:
        return render_template("access/elsewhere.html"), _FORBIDDEN
    guard.check()
    if plan.until(house.now()) is None:
        return access.closed(plan)
    guard.limit(house.limits.sign_ins)
    try:
        address = _provider().address(redirect=_redirect(), now=house.now(), **_secrets(_state(), begin=True))
    except ProviderError as error:
        return _show("away" if error.away else "refused"), _AWAY
    if not _open_already(house.settings):
        entry.pre_grant()
    answer = make_response(render_template("sign_in/leaving.html", address=address))
    answer.headers["Refresh"] = f"1; url={address}"
    return answer


@blueprint.get("/sign-in/back")
def back() -> BaseResponse | tuple[str, int]:
    """Take what the provider says, check it, and let the person's device in."""
    house, here = visit.house(), visit.current()
    state = house.seal.open(request.args.get("state", ""), _PURPOSE, house.now())
    if state is not None:
        g.language = house.languages.get(str(state["lang"]), g.language)
    if state is None or here.client.mac is None or not hmac.compare_digest(str(state["device"]), _device()):
        return _show("other"), _FORBIDDEN
    guard.limit(house.limits.forms)
    code = request.args.get("code", "")
    if not code or len(code) > _LONGEST:  # the person, or the provider, said no
        return _show("refused"), _FORBIDDEN
    try:
        subject = _provider().subject(code, redirect=_redirect(), now=house.now(), **_secrets(state))
    except ProviderError as error:
        return _show("away" if error.away else "refused"), _AWAY if error.away else _FORBIDDEN
    person = house.seal.make("person", house.settings.sign_in.issuer, subject)
    return _let_in(person)


@blueprint.post("/<lang:lang>/sign-in/pass")
def by_pass() -> BaseResponse | tuple[str, int]:
    """Let this device in by the pass of its browser; the provider isn't asked, and may be out of reach."""
    if visit.current().client.mac is None:
        return render_template("access/elsewhere.html"), _FORBIDDEN
    guard.check()
    shown = passes.shown()
    return _let_in(shown.person, renew=False) if shown else (_show("pass"), _FORBIDDEN)


def _let_in(person: str, *, renew: bool = True) -> BaseResponse | tuple[str, int]:
    plan, house = _plan(), visit.house()
    until = plan.until(house.now())
    if until is None:
        return access.closed(plan)
    answer = entry.let_in(plan.id, until - house.now(), plan.limits, Holder(f"person:{person}", plan.devices))
    if renew:
        passes.hand_out(answer, person)
    return answer


def _plan() -> Plan:
    return ways.plan(plans.SIGN_IN) or abort(404)


def _provider() -> Provider:
    house = visit.house()
    if house.provider is None:
        abort(404)
    return house.provider


def _device() -> str:
    return visit.house().seal.make("device", visit.current().client.key)


def _state() -> dict[str, Any]:
    return {"device": _device(), "lang": languages.current_code(), "once": secrets.token_urlsafe(12)}


def _secrets(state: dict[str, Any], *, begin: bool = False) -> dict[str, str]:
    """Return PKCE's verifier (RFC 7636, 4.1) and the nonce that belong to a state, made again rather than kept."""
    house, once = visit.house(), str(state["once"])
    digest = hmac.digest(house.seal.derive("pkce"), once.encode(), "sha256")
    found = {
        "verifier": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "nonce": house.seal.make("nonce", once),
    }
    return found | {"state": house.seal.close(_PURPOSE, state, house.now() + _TIME)} if begin else found


def _redirect() -> str:
    """Return the address that the provider sends people back to; it must be registered there."""
    settings = visit.house().settings
    open_here = settings.enforcement.mode == "none" and hosts.split(request.environ.get("HTTP_HOST"))
    return (request.host_url if open_here else hosts.public(settings)) + "sign-in/back"


def _open_already(settings: Settings) -> bool:
    """Tell whether the provider stands in the walled garden, so that signing in needs no access before."""
    host = urlsplit(settings.sign_in.issuer).hostname or ""
    return any(_within(host, place) for place in settings.walled_garden.hosts)


def _within(host: str, place: str) -> bool:
    """Tell whether a host is, or is below, a name; or whether an address is in a network."""
    try:
        return ip_address(host) in ip_network(place)
    except ValueError:
        return host == place or host.endswith(f".{place}")


def _show(trouble: str) -> str:
    return render_template("sign_in/page.html", wrong=TROUBLES.get(trouble, ""), passed=passes.shown() is not None)
