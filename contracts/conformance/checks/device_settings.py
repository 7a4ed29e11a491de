# SPDX-License-Identifier: EUPL-1.2
"""What a device does with wishes for its settings: R-901 to R-903. R-904 needs a hand that makes a part of it ill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.conformance.registry import check
from contracts.conformance.verdict import require

if TYPE_CHECKING:
    from contracts.conformance.platform import DeviceSubject

_DECIDED = ("applied", "refused", "rolled_back")
_REFUSED = (
    {"no.such.setting": 1},
    {"access.duration": 1},
    {"access.duration": "7200"},
    {"access.duration": 7200, "presence.minimum": 0},
)


@check("device", "R-901")
def answered(d: DeviceSubject) -> str:
    """Wish for nothing; see the report; cut the connection and see it again."""
    d.need_birth()
    generation = _next(d)
    _wish(d, generation, {})
    told = _report(d, generation)
    require(told["state"] in _DECIDED, f"the report is {told}")
    relay = d.need_relay()
    times = len(_reports(d))
    relay.cut()
    require(d.link.wait(lambda: len(_reports(d)) > times, 12 * d.patience), "after a cut the report did not come again")
    require(_reports(d)[-1] == told, f"after a cut the report is {_reports(d)[-1]}, it was {told}")
    return f"generation {generation}: {told['state']}; said again after a cut"


@check("device", "R-902")
def bounded(d: DeviceSubject) -> str:
    """Wish for what can't be had, in four ways."""
    d.need_birth()
    for settings in _REFUSED:
        generation = _next(d)
        _wish(d, generation, settings)
        told = _report(d, generation)
        require(told["state"] == "refused" and told["reason"], f"{settings} was answered by {told}")
    return f"{len(_REFUSED)} wishes that can't be had: refused with a reason"


@check("device", "R-903")
def forward(d: DeviceSubject) -> str:
    """Wish with an older generation."""
    d.need_birth()
    generation = _next(d)
    _wish(d, generation, {})
    _report(d, generation)
    times = len(_reports(d))
    _wish(d, max(1, generation - 1), {"access.duration": 1})
    d.pause(2)
    late = _reports(d)[times:]
    require(all(told["generation"] == generation for told in late), f"an older generation was answered: {late}")
    return f"generation {max(1, generation - 1)} after {generation}: ignored"


def _wish(d: DeviceSubject, generation: int, settings: dict[str, Any]) -> None:
    d.link.publish(f"{d.root}/desired", {"generation": generation, "settings": settings}, retain=True)


def _reports(d: DeviceSubject) -> list[dict[str, Any]]:
    return [h.body for h in list(d.link.heard) if h.topic == f"{d.root}/reported" and isinstance(h.body, dict)]


def _next(d: DeviceSubject) -> int:
    """Return a generation above every one that the device reported."""
    return max((int(told["generation"]) for told in _reports(d)), default=0) + 1


def _report(d: DeviceSubject, generation: int) -> dict[str, Any]:
    """Wait until the device has decided on a generation; return its report, checked against the contract."""

    def decided() -> list[dict[str, Any]]:
        return [told for told in _reports(d) if told["generation"] == generation and told["state"] in _DECIDED]

    require(d.link.wait(decided, 12 * d.patience), f"no report of generation {generation}")
    flaw = d.schemas.flaw("reported", decided()[-1])
    require(flaw is None, f"reported: {flaw}")
    return decided()[-1]
