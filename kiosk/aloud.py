# SPDX-License-Identifier: EUPL-1.2
"""Writes a text of the screen as a voice reads it right: times, minutes, codes letter by letter, signs between. Pure.

eSpeak NG reads "10:00" as "ten zero zero", the French "8 h" as the letter, "min" as the word for hand, and a code as
words and numbers that nobody could type.
"""

from __future__ import annotations

import re

_CODE = re.compile(r"\b(?=[0-9-]*[A-Z])[0-9A-Z]{4}(?:-[0-9A-Z]{4})+\b")  # a letter at least: or it is two years
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")
_FRENCH_TIME = re.compile(r"\b([01]?\d|2[0-3])\s?h(?:\s?([0-5]\d))?\b")
_MINUTES = re.compile(r"\b(\d+)\s?min\b")
_RANK = re.compile(r"\b(\d+)e\b")
_SPAN = re.compile(r"(?<=:\d\d)\s*[\u2013-]\s*(?=\d)")  # between two times
_SIGNS = re.compile(r"\s*[·|]\s*")
_HOURS = {"fr": ("heure", "heures"), "en": ("o'clock", "o'clock"), "es": ("hora", "horas"), "oc": ("ora", "oras")}
_MINUTE_WORDS = {
    "fr": ("minute", "minutes"), "en": ("minute", "minutes"), "es": ("minuto", "minutos"), "oc": ("minuta", "minutas"),
}  # fmt: skip
_TO = {"fr": " à ", "en": " to ", "es": " a ", "oc": " a "}


def written(text: str, language: str) -> str:
    """Return what a voice of `language` (fr, en, es, oc) is given to read."""
    text = _CODE.sub(lambda found: ", ".join(" ".join(part) for part in found[0].split("-")), text)
    text = _SPAN.sub(_TO[language], text)
    if language == "fr":
        text = _FRENCH_TIME.sub(lambda found: _hour(found, language), text)
        text = _RANK.sub(r"\1ème", text)
    text = _TIME.sub(lambda found: _hour(found, language), text)
    text = _MINUTES.sub(lambda found: f"{found[1]} {_MINUTE_WORDS[language][int(found[1]) > 1]}", text)
    return _SIGNS.sub(", ", text)


def _hour(found: re.Match[str], language: str) -> str:
    hour, minutes = int(found[1]), int(found[2] or 0)
    if language != "fr" and minutes:
        return found[0]  # these voices read "8:30" right
    # Each language counts its hours: "0 heure", "1 heure", "2 heures".
    return f"{hour} {_HOURS[language][hour > 1]}{f' {minutes}' if minutes else ''}"
