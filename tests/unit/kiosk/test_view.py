# SPDX-License-Identifier: EUPL-1.2
"""How a person wants to see the kiosk, in the address."""

import itertools

import pytest

from edge_core.i18n import EASY, NAMES
from kiosk.view import View, parse

ALL = [View(code, *wishes) for code in NAMES for wishes in itertools.product((False, True), repeat=4)]


@pytest.mark.parametrize("view", ALL, ids=lambda view: view.slug)
def test_each_view_is_read_back_from_its_slug(view):
    """A view survives its own address."""
    assert parse(view.slug) == view


def test_easy_french_is_french_only():
    """It is chosen like a language, keeps the other wishes, has an address of its own, and no other language has it."""
    easy = View("en", large=True).speaking(EASY)
    assert (easy.slug, easy.language, easy.tongue) == ("fr-le", "fr", EASY)
    assert parse("fr-le") == easy
    assert easy.toggled("large").tongue == EASY
    assert easy.speaking("fr") == View("fr", large=True)
    assert parse("en-e") is None


@pytest.mark.parametrize("slug", ["", "de", "fr-", "fr-x", "fr-lc", "fr-cc", "FR", "fr-clrsc", "fr-c-l", "é", "fr\0"])
def test_any_other_spelling_is_refused(slug):
    """Each view has one address only, and a made-up one is none."""
    assert parse(slug) is None


def test_a_wish_is_turned_over_and_back():
    """The switch of the bar undoes itself and leaves the other wishes alone."""
    view = View("es", large=True)
    assert view.toggled("contrast") == View("es", contrast=True, large=True)
    assert view.toggled("contrast").toggled("contrast") == view
