# SPDX-License-Identifier: EUPL-1.2
"""What a page may know while it answers: this kiosk's settings, content and waiting times. It writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app, g

from kiosk.view import View

if TYPE_CHECKING:
    from edge_core.settings import Settings
    from edge_core.store.replica import Replica

EXTENSION = "parvis-kiosk"


@dataclass(frozen=True)
class Kiosk:
    """One kiosk. `idle` seconds without a touch bring a question, and `warning` seconds more bring the first screen."""

    settings: Settings
    content: Replica
    idle: float
    warning: float


def kiosk() -> Kiosk:
    """Return this kiosk."""
    return cast("Kiosk", current_app.extensions[EXTENSION])


def content() -> Replica:
    """Return the local copy of the content."""
    return kiosk().content


def view() -> View:
    """Return how this page is wanted; before anybody chose, French and plain."""
    return cast("View", g.get("view") or View())
