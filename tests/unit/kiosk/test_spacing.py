# SPDX-License-Identifier: EUPL-1.2
"""French marks and units stay with their word, in the content too, and nothing else is touched."""

import pytest

from kiosk.spacing import bound

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Prêt ? Oui !", "Prêt_? Oui_!"),
        ("Dons, stages : affichés", "Dons, stages_: affichés"),
        ("Le « parvis », 12 € ou 50 %", "Le «_parvis_», 12_€ ou 50_%"),
        ("de 8 h à 18 h 30", "de 8_h à 18_h_30"),
        ("2 heures, 8 am: what?", "2 heures, 8 am: what?"),
        ("", ""),
    ],
)
def test_a_line_never_ends_before_a_mark_or_a_unit(typed, shown):
    """Each ordinary space of such a place becomes one at which no line breaks; the others stay."""
    assert bound(typed) == shown.replace("_", SPACE)
