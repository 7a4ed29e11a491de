# SPDX-License-Identifier: EUPL-1.2
"""A question of the park that one tap answers, and what the others said; nobody is asked who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, redirect, render_template, request, url_for

from captive_portal import guard, visit
from edge_core import logs
from edge_core.i18n import N_
from edge_core.store import surveys
from edge_core.web import dates

if TYPE_CHECKING:
    from werkzeug import Response

blueprint = Blueprint("survey", __name__)
PREFIX = "/<lang:lang>/survey"
LABELS = {"good": N_("Good"), "fair": N_("So-so"), "poor": N_("Poor")}
_log = logs.get(__name__)
_PLACE = "portal"
_FEWEST = 5  # answers: of fewer, one's own would show through the counts


@blueprint.get("/<key>")
def page(key: str) -> str:
    """Ask; or where this device has answered, thank and show how the answers are shared out."""
    survey, house = _survey(key), visit.house()
    edge = house.edge()
    done = surveys.has_answered(edge, key, _device(key))
    counts = surveys.counts(edge, key)
    total = sum(counts.values())
    shares = {choice: round(100 * number / total) for choice, number in counts.items()} if total >= _FEWEST else {}
    return render_template("survey/one.html", survey=survey, done=done, labels=LABELS, shares=shares, total=total)


@blueprint.post("/<key>")
def answer(key: str) -> Response:
    """Count one tap."""
    guard.check()
    _survey(key)
    choice = request.form.get("choice", "")
    if choice not in LABELS:
        abort(400)
    house = visit.house()
    if surveys.answer(house.edge(), survey=key, choice=choice, device=_device(key), place=_PLACE, now=house.now()):
        _log.info("survey_answered", survey=key)
    return redirect(url_for("survey.page", key=key), 302)


def _device(key: str) -> str:
    """Return what stands for this device in this survey, and in no other."""
    return visit.house().seal.make("survey", key, visit.current().client.key)


def _survey(key: str) -> dict[str, Any]:
    found = visit.house().replica.get("surveys", key)
    today = dates.here(visit.house().now()).date().isoformat()
    if found is None or str(found.get("until") or today) < today:
        abort(404)
    return found
