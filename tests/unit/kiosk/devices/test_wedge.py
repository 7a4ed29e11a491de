# SPDX-License-Identifier: EUPL-1.2
"""What a scanner types becomes a text, or is refused: keys as the kernel tells them, cut anywhere, and garbage."""

import random

import pytest

from kiosk.devices import wedge
from kiosk.devices.wedge import Decoder, Garbage, Scan

ENTER, TAB, SHIFT, CTRL = 28, 15, 42, 29
PRINTABLE = "".join(map(chr, range(32, 127)))


def event(kind, code, value):
    return wedge.EVENT.pack(1, 2, kind, code, value) + wedge.EVENT.pack(1, 2, 0, 0, 0)


def key(code):
    return event(4, 4, 0x70004) + event(1, code, 1) + event(1, code, 0)


def typed(text, end=ENTER):
    """Return what a scanner with a US layout sends for a text."""
    found = b""
    for letter in text:
        code, place = next(
            (code, pair.index(letter)) for code, pair in wedge._LETTERS.items() if letter in pair and code < 60
        )
        found += (event(1, SHIFT, 1) + key(code) + event(1, SHIFT, 0)) if place and letter != " " else key(code)
    return found + key(end)


@pytest.mark.parametrize("text", ["A", "https://wifi.parc.example/v/K7PM-2Q4D?x=1&y=~{}|", PRINTABLE, "x" * 512])
def test_what_is_typed_is_read(text):
    """Every printable letter of ASCII comes through, whatever the system's layout is."""
    assert Decoder().feed(typed(text), 0.0) == [Scan(text)]


def test_cut_anywhere_it_is_the_same():
    """The kernel's bytes may come in any pieces."""
    raw, found, decoder = typed("Ab-1") + typed("second", TAB), [], Decoder()
    for place in range(0, len(raw), 7):
        found += decoder.feed(raw[place : place + 7], 0.0)
    assert found == [Scan("Ab-1"), Scan("second")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (typed("x" * 513), "too_long"),
        (key(30) + event(1, CTRL, 1) + key(46) + key(ENTER), "not_text"),
        (key(30) + key(59) + key(ENTER), "not_text"),  # F1
        (key(30) + event(0, 3, 0) + key(31) + key(ENTER), "lost_keys"),
    ],
)
def test_what_is_no_text_is_refused(raw, reason):
    """A scan that is too long, has other keys in it or lost some is refused whole; the next one is read."""
    decoder = Decoder()
    assert decoder.feed(raw, 0.0) == [Garbage(reason)]
    assert decoder.feed(typed("next"), 0.0) == [Scan("next")]


def test_half_a_scan_is_given_up():
    """Pulled half-way, the rest of a scan never joins the next one."""
    decoder = Decoder()
    assert decoder.feed(typed("half")[: -len(key(ENTER))], 0.0) == []
    assert decoder.overdue(0.5) == []
    assert decoder.overdue(2.0) == [Garbage("unfinished")]
    assert decoder.feed(typed("whole"), 2.1) == [Scan("whole")]


def test_held_and_empty_keys_are_nothing():
    """A key that repeats counts once; Enter alone is no scan."""
    decoder = Decoder()
    assert decoder.feed(key(ENTER), 0.0) == []
    assert decoder.feed(event(1, 30, 1) + event(1, 30, 2) * 40 + event(1, 30, 0) + key(ENTER), 0.0) == [Scan("a")]


def test_noise_never_breaks_it():
    """Any bytes: what is told is a text of printable ASCII, or why not; and memory stays bounded."""
    chance = random.Random(7)
    decoder = Decoder()
    for turn in range(400):
        piece = chance.randbytes(chance.randrange(400)) if turn % 3 else key(chance.randrange(256)) * 9
        for found in decoder.feed(piece, float(turn)):
            assert isinstance(found, Garbage) or (found.text.isascii() and found.text.isprintable())
        assert len(decoder._text) <= wedge.LONGEST
        assert len(decoder._rest) < wedge.EVENT.size


def test_a_scan_is_in_no_log():
    """Printing a scan doesn't print its text."""
    assert "secret" not in repr(Scan("secret"))
