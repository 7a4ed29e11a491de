# SPDX-License-Identifier: EUPL-1.2
"""Which check belongs to which requirement, for each side, and how one is run. No check is lost: a test counts them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from contracts.conformance.verdict import Finding, Outcome, Skipped, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.conformance.requirements import Requirement

    Check = Callable[[Any], str]

CHECKS: dict[tuple[str, str], Check] = {}


def check(side: str, number: str) -> Callable[[Check], Check]:
    """Register a check of `number` (R-…) for `side`: it returns what was seen, or raises an Outcome."""

    def register(function: Check) -> Check:
        if (side, number) in CHECKS:
            raise ValueError(f"two checks of {number} for a {side}")
        CHECKS[side, number] = function
        return function

    return register


def run(side: str, requirement: Requirement, subject: Any) -> Finding:
    """Run the check of one requirement; an error of the check itself is a failure that names it."""
    began = time.monotonic()
    try:
        verdict, seen = Verdict.PASS, CHECKS.get((side, requirement.id), _by_hand)(subject)
    except Outcome as outcome:
        verdict, seen = outcome.verdict, str(outcome)
    except Exception as error:  # noqa: BLE001 - what is under test may answer anything
        verdict, seen = Verdict.FAIL, f"the check broke off: {type(error).__name__}: {error}"
    return Finding(requirement, verdict, seen, time.monotonic() - began)


def _by_hand(_subject: Any) -> str:
    raise Skipped("no program can see it: check by hand")
