# SPDX-License-Identifier: EUPL-1.2
"""Optional looks behind a platform: its page, and its state as JSON where it has the reference platform's shape."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from contracts.conformance.verdict import Failed, Skipped

if TYPE_CHECKING:
    from collections.abc import Callable


class Inspection:
    """`url` is the platform's page; below it `/api/state`, `/api/events` and `/api/dead-letters` may be served."""

    def __init__(self, url: str | None, site: str, device: str) -> None:
        self._url, self._site, self._device = url and url.rstrip("/"), site, device

    def need(self) -> None:
        """Skip the check where no page was given."""
        if not self._url:
            raise Skipped("can't be seen over MQTT: give --inspect URL, or look at the platform's page")

    @property
    def can(self) -> bool:
        """Tell whether a page was given."""
        return bool(self._url)

    def get(self, path: str) -> Any:
        """Return the JSON below the page; None where it can't be had."""
        try:
            return json.loads(self.text(path))
        except ValueError:
            return None

    def text(self, path: str) -> str:
        """Return a page's text, at most 8 MiB; '' where it can't be had."""
        self.need()
        try:
            with urllib.request.urlopen(f"{self._url}{path}", timeout=5) as answer:  # noqa: S310 - the operator's own URL
                return str(answer.read(8 << 20).decode(errors="replace"))
        except OSError:
            return ""

    def device(self) -> dict[str, Any]:
        """Return what is shown of our device; empty while it is unknown."""
        shown = (self.get("/api/state") or {}).get("devices", [])
        return next((d for d in shown if (d["site"], d["device"]) == (self._site, self._device)), {})

    def until(self, true: Callable[[dict[str, Any]], Any], what: str, seconds: float = 5) -> dict[str, Any]:
        """Return what is shown of our device as soon as it is `true`; Failed with `what` otherwise."""
        end = time.monotonic() + seconds
        while not ((shown := self.device()) and true(shown)):
            if time.monotonic() > end:
                raise Failed(f"{what}; the page shows {shown or 'nothing of the device'}"[:300])
            time.sleep(0.05)
        return shown
