# SPDX-License-Identifier: EUPL-1.2
"""What a voice is given to read, so that an ear understands what an eye does."""

import pytest

from kiosk import aloud


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("fr", "demain, 10:00\xa0\u2013 12:00 · Abri à vélos", "demain, 10 heures à 12 heures, Abri à vélos"),
        ("fr", "de 8 h à 18 h 30", "de 8 heures à 18 heures 30"),
        ("fr", "à 1 h, à 08:05", "à 1 heure, à 8 heures 5"),
        ("fr", "dans 1 min, puis dans 12 min", "dans 1 minute, puis dans 12 minutes"),
        ("fr", "la 2e porte du 1er étage", "la 2ème porte du 1er étage"),
        ("fr", "ou tapez D3GH-P15K", "ou tapez D 3 G H, P 1 5 K"),
        ("en", "Code FRE7-FFJ5-BDWG", "Code F R E 7, F F J 5, B D W G"),
        ("en", "10:00 \u2013 12:30, in 5 min", "10 o'clock to 12:30, in 5 minutes"),
        ("es", "a las 9:00, en 1 min", "a las 9 horas, en 1 minuto"),
        ("oc", "a 10:00, en 3 min", "a 10 oras, en 3 minutas"),
        ("fr", "99:99, 2024-2025, Bureau 011, h, 3-4 rue", "99:99, 2024-2025, Bureau 011, h, 3-4 rue"),
    ],
)
def test_what_is_written_is_said_in_full(language, text, said):
    """Times are hours, minutes are minutes, a code is its letters; the rest is left as it is."""
    assert aloud.written(text, language) == said
