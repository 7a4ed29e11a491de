# SPDX-License-Identifier: EUPL-1.2
"""Passwords of the desk and the device page: Argon2id, one at a time on a Pi.

Of the settings that OWASP's Password Storage Cheat Sheet holds for equal (19 MiB twice to 7 MiB five times) it takes
the one with the least memory: a sign-in must not be what fills a process of 80 MiB.
"""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST = 10
"""Characters of a password."""
_hasher = PasswordHasher(time_cost=5, memory_cost=7 * 1024, parallelism=1)
_turn = threading.Lock()
_nobody = "$argon2id$v=19$m=7168,t=5,p=1$bm9ib2R5bm9ib2R5$vrggAGXptisxlygn6Qr9UT1dsvlDrdlC8UmeF/BI//8"


def make(password: str) -> str:
    """Return what is kept of a password."""
    with _turn:
        return _hasher.hash(password)


def check(kept: str | None, password: str) -> bool:
    """Tell whether it is the password; for an unknown user (None) the same work is done, and the answer is no."""
    with _turn:
        try:
            return _hasher.verify(kept or _nobody, password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False
