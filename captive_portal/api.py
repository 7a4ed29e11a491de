# SPDX-License-Identifier: EUPL-1.2
"""The captive portal API (RFC 8908): tells a device's own system whether it is captive, and for how long not."""

from __future__ import annotations

import json

from flask import Blueprint, Response

from captive_portal import hosts, status, visit

blueprint = Blueprint("api", __name__)


@blueprint.get("/api/captive")
def captive() -> Response:
    """Answer for the device that asks; RFC 8908, section 5, names the keys. Nobody else may keep the answer."""
    here, now = visit.current(), visit.house().now()
    grant = here.grant if here.online else None
    portal = hosts.public(visit.house().settings)
    state: dict[str, object] = {
        "captive": not here.online,
        "user-portal-url": portal,
        "venue-info-url": f"{portal}status",
    }
    if grant:
        state |= {
            "seconds-remaining": int(grant.remaining(now)),
            "can-extend-session": status.longer(grant) is not None,
        }
        if grant.quota is not None:
            state["bytes-remaining"] = max(0, grant.quota - status.used_bytes(grant))
    return Response(
        json.dumps(state), mimetype="application/captive+json", headers={"Cache-Control": "private, no-store"}
    )
