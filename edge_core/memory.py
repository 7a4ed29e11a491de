# SPDX-License-Identifier: EUPL-1.2
"""Keeps what is in a process's memory out of files: a crash must not write addresses and salts to the disk."""

from __future__ import annotations

import resource


def forbid_dumps() -> None:
    """Let neither this process nor those that it starts leave a core dump (core(5)), whatever the limits were."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
