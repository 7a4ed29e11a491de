# SPDX-License-Identifier: EUPL-1.2
"""What may become of a requirement, and how a check says so. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.conformance.requirements import Requirement


class Verdict(Enum):
    """A check that returns has passed; the others are raised."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    SKIPPED = "skipped"


class Outcome(Exception):  # noqa: N818 - not only errors end a check
    """Ends a check; the text says what was seen, or why nothing could be."""

    verdict = Verdict.FAIL


class Failed(Outcome):
    """The rule is broken: this was seen."""


class Skipped(Outcome):
    """The rule can't be seen from here with what the kit was given; the text says what would do."""

    verdict = Verdict.SKIPPED


class NotApplicable(Outcome):
    """The rule says nothing about this set-up."""

    verdict = Verdict.NOT_APPLICABLE


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    requirement: Requirement
    verdict: Verdict
    seen: str
    seconds: float

    @property
    def breaks(self) -> bool:
        """Tell whether conformance is refused for it: a MUST that failed. A SHOULD is shown and judged by people."""
        return self.verdict is Verdict.FAIL and self.requirement.level == "MUST"


def require(true: object, seen: str) -> None:
    """Fail with what was seen unless `true`."""
    if not true:
        raise Failed(seen)
