# SPDX-License-Identifier: EUPL-1.2
"""Logging: a constant event name with fields, on standard error, without anything personal.

A MAC address, a name, a code or a secret never goes into a field: use a session's id.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, cast

import structlog


def configure(process: str) -> None:
    """Set up the logs of this process: logfmt for journald, colours on a terminal. `PARVIS_LOG` is the level."""
    level = logging.getLevelName(os.environ.get("PARVIS_LOG", "INFO").upper())
    renderer: Any = (
        # The richer traceback shows variables, and so addresses and names.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "process", "event"])
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level if isinstance(level, int) else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(module=name))


def worth_telling(times: int) -> bool:
    """Tell whether a repeated trouble is logged: the 1st, 2nd, 4th, 8th … time, so that it can't fill a disk."""
    return times & (times - 1) == 0
