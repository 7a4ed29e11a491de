# SPDX-License-Identifier: EUPL-1.2
"""What a mistyped word may have meant."""

import string

from hypothesis import given
from hypothesis import strategies as st

from edge_core.store import search
from edge_core.store.spelling import Vocabulary

WORDS = Vocabulary.of(["ardoise", "ardent", "galet", "pixel", "imaginaire", "oeuvre", "sfg"])


def test_one_edit_of_any_kind_is_forgiven():
    """A letter left out, added, changed, or two swapped; also in the first place, also in an unfinished word."""
    for typed in ("ardise", "ardoisse", "ardoize", "adroise", "rdoise", "erdoise", "ardiose"):
        assert WORDS.meant_by(typed)[0] == "ardoise", typed
    assert any("pixel".startswith(near) for near in WORDS.meant_by("pisel"))
    assert any("imaginaire".startswith(near) for near in WORDS.meant_by("imagniai"))


def test_what_is_far_or_short_stays_unknown():
    """Two edits are another word, and three letters have neighbours everywhere."""
    assert WORDS.meant_by("ordoize") == []
    assert WORDS.meant_by("sfh") == []
    assert WORDS.meant_by("x" * 500) == []
    assert Vocabulary(()).meant_by("ardoise") == []


def test_a_missing_space_is_put_back():
    """Two words typed as one are found apart."""
    assert WORDS.apart("pixelimaginaire") == ("pixel", "imaginaire")
    assert WORDS.apart("pixelimag") == ("pixel", "imag")
    assert WORDS.apart("ardoise") is None


@given(st.text(alphabet=string.ascii_lowercase + string.digits, min_size=4, max_size=12), st.data())
def test_every_word_is_found_with_a_slip(word, data):
    """Whatever the word and whichever letter is left out, it is among what was meant (its shortened form aside)."""
    place = data.draw(st.integers(0, len(word) - 1))
    typed = word[:place] + word[place + 1 :]
    vocabulary = Vocabulary.of([word])
    if len(typed) >= 4 and not vocabulary.begins(typed):
        assert any(word.startswith(near) for near in vocabulary.meant_by(typed))


def test_words_that_are_there_stay_as_they_are():
    """Only the word that nothing begins with is mended; where all are there, each may be the slip."""
    assert search.match_near("galet ardoize", WORDS) == '("galet"*) AND ("ardoize"* OR "ardoise"*)'
    assert search.match_near("zzzz", WORDS) == ""
    assert '"ardent"*' in search.match_near("argent", WORDS)
