# SPDX-License-Identifier: EUPL-1.2
"""My data: what is held of this device, for how long; taking it away, and erasing it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request, url_for

from captive_portal import entry, guard, held, opposition, passes, visit
from edge_core import logs
from edge_core.store import grants
from edge_core.store.database import write

if TYPE_CHECKING:
    from werkzeug import Response as BaseResponse

blueprint = Blueprint("mydata", __name__)
PREFIX = "/<lang:lang>"
_log = logs.get(__name__)


@blueprint.get("/my-data")
def page() -> str:
    """Show what is held."""
    shown = passes.shown()
    return render_template(
        "mydata/page.html",
        held=held.of_device(shown.until if shown else None),
        kept=held.KEPT,
        erased="erased" in request.args,
        left_out=opposition.state(),
    )


@blueprint.get("/my-data.json")
def take_away() -> Response:
    """Give it as a file that other programs can read."""
    shown = passes.shown()
    parts = held.of_device(shown.until if shown else None)
    words = {name: {"data": part, "kept": held.KEPT[name]} for name, part in parts.items()}
    body = json.dumps({"format": 1, "held": words}, ensure_ascii=False, indent=2)
    headers = {"Content-Disposition": 'attachment; filename="my-data.json"', "Cache-Control": "no-store"}
    return Response(body, mimetype="application/json", headers=headers)


@blueprint.get("/erase")
def erase_again() -> BaseResponse:
    """Lead back whoever reloads the address of the form."""
    return entry.go(url_for("mydata.page"))


@blueprint.post("/erase")
def erase() -> BaseResponse:
    """End the session, have the device forgotten, and take back the pass of this browser."""
    guard.check()
    house, here = visit.house(), visit.current()
    if here.client.mac:
        ended = grants.end(house.edge(), here.client.mac, "erased", house.now())
        _log.info("session_erased", session=ended.session if ended else "")
        entry.told()
        _forget(here.client.mac)
    answer = entry.go(url_for("mydata.page", erased="1"))
    passes.take_back(answer)
    return answer


def _forget(mac: str) -> None:
    """Without enforcement nobody else tells a session's end, and forgets its device with it."""
    house = visit.house()
    if house.settings.enforcement.mode == "none":
        with write(house.edge()):
            for grant in grants.ended_of(house.edge(), mac):
                grants.forget(house.edge(), grant, house.now())
