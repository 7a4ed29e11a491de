# SPDX-License-Identifier: EUPL-1.2
"""What a service's form asks, and what of its answers is accepted; pure, every answer is hostile until checked here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from edge_core.i18n import N_

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DAYS_AHEAD = 14
FIRST_HOUR, LAST_HOUR = 8, 19
MOST_PEOPLE = 500
_LENGTHS = {"comment": 1000, "message": 1000}
_LENGTH = 200
_NEEDED = frozenset({"date", "time", "people", "message", "name"})
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_PHONE = re.compile(r"\+?[0-9][0-9 .()/-]{4,24}")
# The platform takes no hardware addresses, in whatever spelling (contracts/, "quiet").
_HARDWARE = re.compile(
    r"(?<![0-9a-f])(?:(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})(?![0-9a-f])|\A[0-9a-f]{12}\Z",
    re.IGNORECASE,
)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_FORMS = {"email": _EMAIL, "phone": _PHONE}
_KINDS = {"date": "days", "time": "hours", "people": "number", "comment": "long", "message": "long"}


@dataclass(frozen=True)
class Question:
    """One field of a form. `kind` is days, hours, number, long or line; `most` its greatest number or length.

    `label` is a key of `LABELS`, or a name to be shown as it is.
    """

    name: str
    label: str
    kind: str
    needed: bool
    most: int


@dataclass(frozen=True)
class Checked:
    """Answers that may be recorded, and for each refused one the name of its question and why (a key of `REASONS`)."""

    answers: dict[str, str]
    refused: dict[str, str]


REASONS = {
    "missing": N_("Please answer this."),
    "too_long": N_("This is too long: shorten it, please."),
    "not_a_day": N_("Choose one of these days."),
    "not_a_time": N_("Choose one of these times."),
    "over": N_("That time is over for today: choose a later one, or another day."),
    "not_a_number": N_("Write a whole number, at least 1."),
    "too_many": N_("There isn't room for that many."),
    "email": N_("Write an e-mail address such as nom@exemple.fr."),
    "phone": N_("Write a phone number in digits."),
    "hardware": N_("Leave out the hardware address of your device."),
}
LABELS = {
    "date": N_("Which day?"),
    "time": N_("What time?"),
    "people": N_("How many people?"),
    "comment": N_("Anything to add?"),
    "message": N_("Your message"),
    "name": N_("Your name"),
    "company": N_("Your company"),
    "email": N_("Your e-mail address"),
    "phone": N_("Your phone number"),
    "place": N_("Where?"),
    "duration": N_("For how long?"),
    "subject": N_("What is it about?"),
}


def questions(fields: Iterable[object], capacity: object = None) -> list[Question]:
    """Return the questions of a service from its record's `fields`; names that no form could carry are left out."""
    names = dict.fromkeys(name for name in fields if isinstance(name, str) and _NAME.fullmatch(name))
    limit = capacity if isinstance(capacity, int) and 0 < capacity <= MOST_PEOPLE else MOST_PEOPLE
    if list(names) == ["comment"]:  # where nothing else is asked, it is the message itself
        return [Question("comment", "message", "long", needed=True, most=_LENGTHS["comment"])]
    return [_question(name, limit) for name in names]


def days(today: date) -> list[date]:
    """Return the days that can be asked for: today and the two weeks after it."""
    return [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD)]


def hours() -> list[str]:
    """Return the times that can be asked for, each half hour of a working day."""
    return [f"{hour:02}:{minute}" for hour in range(FIRST_HOUR, LAST_HOUR) for minute in ("00", "30")]


def check(asked: Iterable[Question], given: Mapping[str, str], now: datetime) -> Checked:
    """Sort the answers to `asked` into accepted and refused; whatever wasn't asked is dropped. `now` is local time."""
    answers, refused = {}, {}
    for question in asked:
        answer = _clean(given.get(question.name, ""), keep_lines=question.kind == "long")
        reason = _refusal(question, answer, now.date())
        if reason:
            refused[question.name] = reason
        elif answer:
            answers[question.name] = answer
    if answers.get("date") == now.date().isoformat() and answers.get("time", "99") < f"{now:%H:%M}":
        refused["time"] = "over"
    return Checked(answers, refused)


def _question(name: str, capacity: int) -> Question:
    kind = _KINDS.get(name, "line")
    most = capacity if kind == "number" else _LENGTHS.get(name, _LENGTH)
    return Question(name, name, kind, name in _NEEDED, most)


def _clean(answer: str, *, keep_lines: bool) -> str:
    """Drop what has no place in a text: control and bidirectional override characters, spaces at the ends."""
    kept = "".join(letter if letter.isprintable() or (keep_lines and letter == "\n") else " " for letter in answer)
    return kept.strip() if keep_lines else " ".join(kept.split())


def _refusal(question: Question, answer: str, today: date) -> str:
    if not answer:
        return "missing" if question.needed else ""
    if question.kind == "days":
        return "" if answer in {day.isoformat() for day in days(today)} else "not_a_day"
    if question.kind == "hours":
        return "" if answer in hours() else "not_a_time"
    return _number(answer, question.most) if question.kind == "number" else _words(question, answer)


def _words(question: Question, answer: str) -> str:
    if len(answer) > question.most:
        return "too_long"
    if _HARDWARE.search(answer):
        return "hardware"
    form = _FORMS.get(question.name)
    return "" if form is None or form.fullmatch(answer) else question.name


def _number(answer: str, most: int) -> str:
    if not (answer.isascii() and answer.isdigit() and len(answer) <= len(str(MOST_PEOPLE)) and int(answer)):
        return "not_a_number"
    return "too_many" if int(answer) > most else ""
