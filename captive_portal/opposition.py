# SPDX-License-Identifier: EUPL-1.2
"""Not being counted: one tap, without a cookie or a word of who it is; and one to be counted again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, request, url_for

from captive_portal import entry, guard, visit
from edge_core import logs
from edge_core.store import opposition

if TYPE_CHECKING:
    from werkzeug import Response

blueprint = Blueprint("opposition", __name__)
PREFIX = "/<lang:lang>"
_log = logs.get(__name__)


def state() -> bool | None:
    """Tell whether this device is left out of the counts; None where nobody knows which device it is."""
    mac = visit.current().client.mac
    return opposition.is_opposed(visit.house().edge(), mac) if mac else None


@blueprint.get("/counting")
def again() -> Response:
    """Lead back whoever reloads the address of the form."""
    return entry.go(url_for("mydata.page") + "#counting")


@blueprint.post("/counting")
def choose() -> Response:
    """Leave this device out, or count it again. Sent twice it is the same."""
    guard.check()
    house, mac, choice = visit.house(), visit.current().client.mac, request.form.get("choice", "")
    if not mac or choice not in {"out", "in"}:
        abort(400)
    if choice == "out":
        opposition.oppose(house.edge(), mac, house.now())
    else:
        opposition.withdraw(house.edge(), mac)
    _log.info("counting_chosen", choice=choice)
    return again()
