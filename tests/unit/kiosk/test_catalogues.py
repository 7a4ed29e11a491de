# SPDX-License-Identifier: EUPL-1.2
"""The kiosk speaks four languages, whole."""

from pathlib import Path

import pytest

import kiosk
from edge_core import i18n

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
