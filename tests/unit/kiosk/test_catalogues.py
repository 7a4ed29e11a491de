# SPDX-License-Identifier: EUPL-1.2
"""The kiosk speaks four languages, whole."""

import re
from pathlib import Path

import pytest

import kiosk
from edge_core import i18n
from kiosk import frame

PACKAGE = Path(kiosk.__file__).parent


@pytest.mark.parametrize("code", i18n.NAMES)
def test_no_text_of_the_pages_is_untranslated(code):
    """Every text that a template or module marks has its translation, and no translation is left over."""
    wanted = {message.id for message in i18n.extract(PACKAGE) if message.id}
    catalogue = i18n.read(PACKAGE / "locales" / f"{code}.po")
    have = {message.id for message in catalogue if message.id and _whole(message.string) and not message.fuzzy}
    assert wanted == have


@pytest.mark.parametrize("code", i18n.NAMES)
def test_translations_keep_the_places_of_their_values(code):
    """A translation that lost a %(name)s would show a wrong sentence, or fail."""
    for message in i18n.read(PACKAGE / "locales" / f"{code}.po"):
        assert not list(message.check()), message.id


def _whole(text):
    return all(text) if isinstance(text, tuple) else bool(text)


LONGEST_SENTENCE = 16
"""Words: what is longer holds more than one idea."""


def test_easy_french_says_known_texts_in_short_sentences():
    """Each text of easy French is one of ours, is in French too, keeps its values, and has no long sentence."""
    french = {message.id for message in i18n.read(PACKAGE / "locales" / "fr.po") if message.id}
    easy = [message for message in i18n.read(PACKAGE / "locales" / f"{i18n.EASY}.po") if message.id]
    assert {message.id for message in easy} <= french
    for message in easy:
        assert not list(message.check()), message.id
        sentences = re.split(r"[.!?:](?:\s|$)", message.string)
        assert max(len(sentence.split()) for sentence in sentences) <= LONGEST_SENTENCE, message.string
        assert ";" not in message.string
        assert "(" not in message.string.replace("%(", "").replace("(WiFi)", ""), message.string


def test_easy_french_falls_back_to_french():
    """A text that nobody made easier is said in French; the main ways are said more easily than there."""
    languages = frame.languages()
    easy, french = languages[i18n.EASY], languages["fr"]
    assert easy.code == "fr"
    assert easy.gettext("Ask at the reception.") == french.gettext("Ask at the reception.")
    assert easy.ngettext("%(num)d floor", "%(num)d floors", 2) == french.ngettext("%(num)d floor", "%(num)d floors", 2)
    assert easy.gettext("What can we do for you?") == "Que voulez-vous faire\N{NO-BREAK SPACE}?"
    assert french.gettext("What can we do for you?") != "Que voulez-vous faire\N{NO-BREAK SPACE}?"
    assert (easy.gettext("Confirmed"), easy.gettext("Provisional")) == ("C’est sûr", "Ce n’est pas encore sûr")
