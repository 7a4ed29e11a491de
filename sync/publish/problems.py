# SPDX-License-Identifier: EUPL-1.2
"""What is wrong with a publisher's files: every problem at once, each with its file, line and remedy."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_core.errors import ContentError


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to correct. `line` counts from 1; 0 where the whole file is meant."""

    file: str
    line: int
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}: {self.message} {self.remedy}"


class SourceError(ContentError):
    """The publisher's folder holds mistakes; nothing was published. `problems` are all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"Nothing was published: {count} to correct.\n{listed}")
        self.problems = problems


@dataclass
class Problems:
    """Collects the problems of one reading, and notices that stop nothing."""

    found: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def add(self, file: str, line: int, message: str, remedy: str) -> None:
        """Note one problem."""
        self.found.append(Problem(file, line, message, remedy))

    def notice(self, text: str) -> None:
        """Note something worth saying that is no mistake."""
        self.notices.append(text)

    def raise_if_any(self) -> None:
        """Raise SourceError when anything was wrong."""
        if self.found:
            raise SourceError(sorted(set(self.found)))
