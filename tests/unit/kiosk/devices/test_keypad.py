# SPDX-License-Identifier: EUPL-1.2
"""A number pad can say six things; whatever else it sends, as a stick that calls itself one would, means nothing."""

import random

import pytest

from kiosk.devices import wedge
from kiosk.devices.keypad import Keypad, Press


def event(kind, code, value):
    return wedge.EVENT.pack(1, 2, kind, code, value)


@pytest.mark.parametrize(
    ("code", "wish"),
    [(72, "up"), (80, "down"), (75, "left"), (77, "right"), (76, "choose"), (96, "choose"), (82, "back")],
)
def test_each_key_is_one_wish(code, wish):
    """Pressed once; a release says nothing, and only arrows repeat while they are held."""
    held = [Press(wish)] if wish not in ("choose", "back") else []
    assert Keypad().feed(event(1, code, 1) + event(1, code, 0), 0.0) == [Press(wish)]
    assert Keypad().feed(event(1, code, 2), 0.0) == held


def test_no_letter_digit_or_shortcut_comes_through():
    """Of all codes that the kernel knows, fifteen mean something, and each of them one of seven words."""
    found = {code: Keypad().feed(event(1, code, 1), 0.0) for code in range(768)}
    assert sum(bool(each) for each in found.values()) == 15
    words = {each[0].wish for each in found.values() if each}
    assert words == {"up", "down", "left", "right", "choose", "back", "hear"}


def test_cut_anywhere_it_is_the_same():
    """A read of the device may end in the middle of an event; garbage is no key and raises nothing."""
    whole, pad = event(1, 72, 1) + event(0, 0, 0) + event(1, 28, 1), Keypad()
    assert [press.wish for byte in whole for press in pad.feed(bytes([byte]), 0.0)] == ["up", "choose"]
    Keypad().feed(random.Random(1).randbytes(100_000), 0.0)
