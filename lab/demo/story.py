# SPDX-License-Identifier: EUPL-1.2
"""Plays steps one after the other and times each; one that fails says what was expected, what was seen, and where."""

import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from lab.talk import RefusedError

State = Literal["running", "true", "failed", "skipped"]
Act = Callable[[], str]
# Seconds that a step may take on a computer with other work; what it took is shown, and no step fails for being slow.
PATIENCE = 90.0


class StepError(Exception):
    """A step did not come true. The text tells what was expected; `seen` what was there instead."""

    def __init__(self, expected: str, seen: object, logs: Sequence[Path] = ()) -> None:
        """Take both halves, and the log files that tell more."""
        super().__init__(f"expected {expected}; seen: {seen}")
        self.logs = tuple(logs)


@dataclass(frozen=True)
class Step:
    """One sentence of the story, and what makes it true; `act` returns what is worth telling about it."""

    title: str
    act: Act
    essential: bool = False  # without it nothing that follows can be true
    skip: str = ""  # why it can't be played here


@dataclass
class Outcome:
    """How a step went."""

    step: Step
    state: State = "running"
    milliseconds: float = 0.0
    detail: str = ""
    logs: tuple[Path, ...] = ()


class Audience(Protocol):
    """Who is told."""

    def begins(self, outcome: Outcome) -> None:
        """Tell that a step has begun."""

    def ends(self, outcome: Outcome) -> None:
        """Tell how it went."""


def check(holds: object, expected: str, seen: object, logs: Sequence[Path] = ()) -> None:
    """Raise StepError unless it holds."""
    if not holds:
        raise StepError(expected, seen, logs)


def wait_for(question: Callable[[], Any], expected: str, logs: Sequence[Path] = ()) -> Any:
    """Ask again and again until the answer is true, and return it; StepError with the last answer after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise StepError(f"{expected} within {PATIENCE:g} s", answer, logs)
        time.sleep(0.05)


def play(steps: Iterable[Step], audience: Audience) -> list[Outcome]:
    """Play the steps in order; after an essential one has failed the others are skipped, never silently."""
    outcomes: list[Outcome] = []
    broken = ""
    for step in steps:
        outcome = Outcome(step)
        outcomes.append(outcome)
        audience.begins(outcome)
        if step.skip or broken:
            outcome.state, outcome.detail = "skipped", step.skip or f"needs: {broken}"
        else:
            _act(outcome)
        if outcome.state == "failed" and step.essential:
            broken = step.title
        audience.ends(outcome)
    return outcomes


def _act(outcome: Outcome) -> None:
    began = time.monotonic()
    try:
        outcome.detail = outcome.step.act()
        outcome.state = "true"
    except StepError as error:
        outcome.state, outcome.detail, outcome.logs = "failed", str(error), error.logs
    except (RefusedError, OSError, LookupError, ValueError, subprocess.SubprocessError, sqlite3.Error) as error:
        outcome.state, outcome.detail = "failed", f"{type(error).__name__}: {error}"
    outcome.milliseconds = (time.monotonic() - began) * 1000


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes that keep the story from being true: failures, and what was skipped because of them."""
    return [one for one in outcomes if one.state == "failed" or (one.state == "skipped" and not one.step.skip)]
