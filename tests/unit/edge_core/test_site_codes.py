# SPDX-License-Identifier: EUPL-1.2
"""Codes that a kiosk signs and the gateway believes: of this site, of today or yesterday, and no other."""

from __future__ import annotations

import pytest

from edge_core import site_codes
from edge_core.store.vouchers import ALPHABET

KEY, OTHER = b"k" * 32, b"l" * 32
NOON = 20_000 * site_codes.DAY + 43_200.0


def test_a_code_is_good_for_its_day_and_the_next():
    """However it is written; then it is over."""
    code = site_codes.make(KEY, "parc", NOON)
    assert len(code) == site_codes.LENGTH
    written = site_codes.spoken(code).lower().replace("0", "o").replace("1", "l")
    assert [site_codes.check(KEY, "parc", written, NOON + days * site_codes.DAY) for days in (-1, 0, 1, 2)] == [
        False, True, True, False,
    ]  # fmt: skip


def test_another_site_another_key_and_any_changed_letter_are_refused():
    """Nothing of it can be forged letter by letter."""
    code = site_codes.make(KEY, "parc", NOON)
    assert not site_codes.check(KEY, "ailleurs", code, NOON)
    assert not site_codes.check(OTHER, "parc", code, NOON)
    for place in range(len(code)):
        for letter in ALPHABET:
            changed = code[:place] + letter + code[place + 1 :]
            assert site_codes.check(KEY, "parc", changed, NOON) == (changed == code)


@pytest.mark.parametrize("given", ["", "U" * 12, "A" * 11, "A" * 13, "é" * 12, "\ud800" * 12, "A" * 100_000])
def test_nonsense_is_refused(given):
    """Without an error."""
    assert not site_codes.check(KEY, "parc", given, NOON)


def test_no_key_no_codes(tmp_path):
    """A file that is missing, or too short to be a secret, makes none."""
    short = tmp_path / "short"
    short.write_text("abc")
    assert site_codes.load(None) is None
    assert site_codes.load(tmp_path / "missing") is None
    assert site_codes.load(short) is None
