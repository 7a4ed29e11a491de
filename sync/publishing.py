# SPDX-License-Identifier: EUPL-1.2
"""Brings the publishing modules to the commands that need one; their libraries are not on a device."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edge_core.errors import ProcessError


def module(name: str) -> Any:
    """Return a module of `sync.publish`. Raises ProcessError where its libraries are not installed."""
    try:
        return import_module(f"sync.publish.{name}")
    except ImportError as error:
        raise ProcessError(
            f"The library {error.name} is missing.",
            remedy="Install the publisher's part: pip install 'parvis[publish]'.",
        ) from error
