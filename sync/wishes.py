# SPDX-License-Identifier: EUPL-1.2
"""The platform's wishes for settings: judged, put on trial, and taken back by themselves where the device falls ill.

A wish is one file, replaced whole (`edge_core/desired`). While it is on trial every part that was well before must be
well again, all at the same time and for a while; else the settings before hold again. A restart in the middle goes on
with the trial, and counts: settings that make `sync` itself die again and again are taken back too.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from edge_core import desired, durable, logs
from edge_core.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logs.get(__name__)
_MAX = 2**53 - 1
_MAX_STARTS = 5
_STEADY = 10.0  # seconds that all must be well without a break
_REASON = 500
_LEGIBLE = re.compile(r"[^\x20-\x7e]")
State = Literal["applied", "refused", "trying", "rolled_back"]


@dataclass(frozen=True)
class Wish:
    """What `desired` says; `flaw` where it can't be had."""

    generation: int
    settings: dict[str, Any]
    flaw: str | None = None


@dataclass(frozen=True)
class Told:
    """What `reported` says."""

    generation: int
    state: State
    reason: str | None = None


def parse(payload: bytes) -> Wish | None:
    """Read a message on `desired`; None where not even its generation can be read. Pure."""
    try:
        raw = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    generation, settings = (raw.get("generation"), raw.get("settings")) if isinstance(raw, dict) else (None, None)
    if type(generation) is not int or not 1 <= generation <= _MAX:
        return None
    if not isinstance(settings, dict):
        return Wish(generation, {}, "settings is missing.")
    found = desired.flaw(settings)
    return Wish(generation, settings, _LEGIBLE.sub("?", found) if found else None)


class Trial:
    """How a wish on trial stands, by a monotonic clock. Pure."""

    def __init__(self, was_well: frozenset[str], began: float, patience: float) -> None:
        self._was_well = was_well
        self._deadline = began + patience
        self._well_since: float | None = None

    def judge(self, well: frozenset[str], now: float) -> tuple[Literal["applied", "rolled_back"], str | None] | None:
        """Return the verdict and its reason; None while it is open."""
        ill = sorted(self._was_well - well)
        if ill:
            self._well_since = None
            late = f"Not well again in time: {', '.join(ill)}."
            return ("rolled_back", late) if now >= self._deadline else None
        if self._well_since is None:
            self._well_since = now
        return ("applied", None) if now - self._well_since >= _STEADY else None


class Wishes:
    """Keeps the wishes of one device. `check` loads the configuration with given settings, or raises.

    `well` says which parts answer now, `reread` has every process read its settings again.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        check: Callable[[dict[str, int]], object],
        well: Callable[[], frozenset[str]],
        reread: Callable[[], object],
        clock: Callable[[], float],
        patience: float,
    ) -> None:
        self._path = desired.path(state_dir)
        self._check, self._well, self._reread = check, well, reread
        self._clock, self._patience = clock, patience
        self._kept = desired.read(state_dir)
        self._trial: Trial | None = None
        self._go_on()

    @property
    def told(self) -> Told | None:
        """What to report; None before the first wish."""
        try:
            return Told(**self._kept["told"])
        except (KeyError, TypeError):
            return None

    def hear(self, payload: bytes) -> bool:
        """Take a message on `desired`; False where it makes no sense. An older or known generation changes nothing."""
        if not payload:
            return True  # a retained message that was taken away
        wish = parse(payload)
        if wish is None:
            return False
        told = self.told
        if told is not None and wish.generation <= told.generation:
            return True
        reason = wish.flaw or self._refusal(wish.settings)
        if reason:
            _log.warning("desired_refused", generation=wish.generation, reason=reason)
            self._keep(trial=None, told=Told(wish.generation, "refused", reason[:_REASON]), again=bool(self._trial))
            self._trial = None
            return True
        if wish.settings == desired.in_force(self._kept) and not self._trial:
            self._keep(applied=_plain(wish), told=Told(wish.generation, "applied"))
            return True
        trial = {**_plain(wish), "well": sorted(self._well()), "starts": 0}
        _log.info("desired_on_trial", generation=wish.generation)
        self._keep(trial=trial, told=Told(wish.generation, "trying"), again=True)
        self._begin()
        return True

    def turn(self) -> None:
        """Judge the trial, where there is one."""
        if self._trial is None:
            return
        well = self._well() | ({"reload"} if self._kept["trial"]["starts"] else frozenset())
        verdict = self._trial.judge(well, self._clock())
        if verdict is None:
            return
        state, reason = verdict
        self._decide(state, reason)

    def _go_on(self) -> None:
        """Go on with the trial that a start finds, unless starting is what the settings break."""
        trial = self._kept.get("trial")
        if not isinstance(trial, dict) or self.told is None:
            return
        trial["starts"] = int(trial.get("starts", 0)) + 1
        if trial["starts"] > _MAX_STARTS:
            self._decide("rolled_back", "sync was started again and again.")
            return
        self._keep(trial=trial)
        self._begin()

    def _begin(self) -> None:
        was_well = frozenset(self._kept["trial"].get("well", [])) | {"reload"}
        self._trial = Trial(was_well, self._clock(), self._patience)

    def _decide(self, state: Literal["applied", "rolled_back"], reason: str | None) -> None:
        trial = self._kept["trial"]
        generation = int(trial["generation"])
        _log.warning("desired_decided", generation=generation, state=state, reason=reason)
        kept = {"generation": generation, "settings": trial["settings"]}
        applied = kept if state == "applied" else self._kept.get("applied")
        back = state == "rolled_back"
        self._keep(applied=applied, trial=None, told=Told(generation, state, reason), again=back)
        self._trial = None

    def _refusal(self, settings: dict[str, Any]) -> str | None:
        try:
            self._check(settings)
        except ConfigurationError as error:
            return f"With it the configuration is refused: {_LEGIBLE.sub('?', error.message)}"
        return None

    def _keep(self, *, told: Told | None = None, again: bool = False, **parts: Any) -> None:
        """Write the file; `again`: what is in force has changed, so every process reads its settings again."""
        kept = {**self._kept, **parts, **({"told": asdict(told)} if told else {})}
        try:
            durable.replace(self._path, json.dumps(kept).encode(), mode=0o644)
        except OSError as error:
            raise StoreError(f"{self._path}: can't be written ({error.strerror}).", remedy="Free some room.") from error
        self._kept = kept
        if again:
            self._reread()


def _plain(wish: Wish) -> dict[str, Any]:
    return {"generation": wish.generation, "settings": wish.settings}
