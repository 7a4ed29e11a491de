# SPDX-License-Identifier: EUPL-1.2
"""Finds the words of the index that a mistyped word may have meant: one edit away, the end of a word left open. Pure.

The words are a sorted list, so "does any word begin so?" is one bisection. A mistyped word of n letters has about 75 n
neighbours (one letter changed, added, left out, or two swapped): trying them all costs less than a millisecond, needs
no index of its own, and finds the beginning of a word as well as the whole of it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_SHORTEST = 4  # letters: a shorter word has neighbours everywhere
_LONGEST = 24
_MOST = 8  # neighbours that are worth asking for


@dataclass(frozen=True)
class Vocabulary:
    """The folded words of an index, sorted."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, words: Iterable[str]) -> Vocabulary:
        """Return the vocabulary of `words`, in any order."""
        return cls(tuple(sorted(set(words))))

    def has(self, word: str) -> bool:
        """Tell whether `word` is there, whole."""
        place = bisect_left(self.words, word)
        return place < len(self.words) and self.words[place] == word

    def begins(self, beginning: str) -> bool:
        """Tell whether a word begins so."""
        place = bisect_left(self.words, beginning)
        return place < len(self.words) and self.words[place].startswith(beginning)

    def meant_by(self, word: str) -> list[str]:
        """Return beginnings of words that `word` may have meant, the likeliest first; [] where it is too short.

        Whole words come before beginnings, and those with the same first letter before others: few mistype that one.
        """
        if not _SHORTEST <= len(word) <= _LONGEST:
            return []
        found = {near for near in _neighbours(word) if near != word and self.begins(near)}
        return sorted(found, key=lambda near: (not self.has(near), near[0] != word[0], near))[:_MOST]

    def apart(self, word: str) -> tuple[str, str] | None:
        """Return the two words that `word` is when its missing space is put back; None where it is none such."""
        cuts = range(_SHORTEST - 1, len(word) - 2)
        pairs = ((word[:cut], word[cut:]) for cut in cuts if len(word) <= 2 * _LONGEST)
        return next((pair for pair in pairs if self.has(pair[0]) and self.begins(pair[1])), None)


def _neighbours(word: str) -> Iterator[str]:
    """Yield what one edit makes of `word`: a letter left out, two swapped, one changed, one added inside."""
    for place in range(len(word)):
        before, after = word[:place], word[place:]
        yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in _LETTERS:
            yield before + letter + after[1:]
            yield before + letter + after
