# SPDX-License-Identifier: EUPL-1.2
"""Checks the answers of a service's form; pure. What a field is called decides how it is asked and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from edge_core.i18n import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_MAIL = re.compile(r"[^@\s<>]{1,64}@[^@\s<>]{1,180}\.[^@\s<>.]{2,24}")
_PHONE = re.compile(r"\+?[\d .()-]{6,24}")
_AHEAD = timedelta(days=366)
_MOST_PEOPLE = 500
_LONGEST = {"comment": 800, "message": 800}


@dataclass(frozen=True)
class Field:
    """One question of a form: `kind` is the input's HTML type, or "textarea"."""

    name: str
    label: str
    kind: str
    required: bool
    autocomplete: str = "off"


_KNOWN = {
    "date": Field("date", N_("Date"), "date", required=True),
    "time": Field("time", N_("Time"), "time", required=True),
    "people": Field("people", N_("Number of people"), "number", required=True),
    "comment": Field("comment", N_("Comment"), "textarea", required=False),
    "message": Field("message", N_("Message"), "textarea", required=True),
    "name": Field("name", N_("Name"), "text", required=True, autocomplete="name"),
    "company": Field("company", N_("Company"), "text", required=False, autocomplete="organization"),
    "email": Field("email", N_("E-mail"), "email", required=True, autocomplete="email"),
    "phone": Field("phone", N_("Telephone"), "tel", required=False, autocomplete="tel"),
    "duration": Field("duration", N_("Duration"), "text", required=False),
}
_WORDS = ("message", "ad")
# What a message or a small ad says is the point of it.
_TOLD = {"comment": Field("comment", N_("Message"), "textarea", required=True)}


def form(service: Mapping[str, Any]) -> list[Field]:
    """Return the questions of a service; one that we don't know is asked as a line of text under its own name."""
    names = [name for name in service.get("fields") or [] if isinstance(name, str)]
    known = _KNOWN | (_TOLD if service.get("kind") in _WORDS else {})
    return [known.get(name, Field(name, name.replace("_", " ").capitalize(), "text", required=False)) for name in names]


def check(service: Mapping[str, Any], given: Mapping[str, str], today: date) -> tuple[dict[str, str], dict[str, str]]:
    """Return the cleaned answers, and per field what is wrong with it, in English, for translation."""
    answers, errors = {}, {}
    for question in form(service):
        value = _clean(given.get(question.name, ""), multiline=question.kind == "textarea")
        problem = _problem(question, value, service, today)
        if problem:
            errors[question.name] = problem
        if value:
            answers[question.name] = value
    return answers, errors


def _clean(value: str, *, multiline: bool) -> str:
    kept = "\n" if multiline else ""
    plain = value.replace("\r\n", "\n")
    return "".join(letter if letter.isprintable() or letter in kept else " " for letter in plain).strip()


def _problem(question: Field, value: str, service: Mapping[str, Any], today: date) -> str:
    if not value:
        return N_("This is needed.") if question.required else ""
    if len(value) > _LONGEST.get(question.name, 200):
        return N_("This is too long.")
    checks = {"date": _date, "time": _time, "number": _number, "email": _mail, "tel": _phone}
    check_kind = checks.get(question.kind)
    return check_kind(value, service, today) if check_kind else ""


def _date(value: str, _service: Mapping[str, Any], today: date) -> str:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return N_("Write the date as year-month-day, such as 2030-05-21.")
    return "" if today <= day <= today + _AHEAD else N_("Choose a day from today on, within a year.")


def _time(value: str, _service: Mapping[str, Any], _today: date) -> str:
    return "" if _TIME.fullmatch(value) else N_("Write the time as hours:minutes, such as 14:30.")


def _number(value: str, service: Mapping[str, Any], _today: date) -> str:
    capacity = service.get("capacity")
    most = capacity if isinstance(capacity, int) and capacity > 0 else _MOST_PEOPLE
    sound = value.isascii() and value.isdigit() and len(value) < len(str(_MOST_PEOPLE)) + 1
    return "" if sound and 1 <= int(value) <= most else N_("Give a number that this service can take.")


def _mail(value: str, _service: Mapping[str, Any], _today: date) -> str:
    return "" if _MAIL.fullmatch(value) else N_("Check this e-mail address.")


def _phone(value: str, _service: Mapping[str, Any], _today: date) -> str:
    return "" if _PHONE.fullmatch(value) else N_("Check this telephone number.")
