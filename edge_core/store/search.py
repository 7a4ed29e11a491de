# SPDX-License-Identifier: EUPL-1.2
"""Folding and full-text queries: how a text is put into the index and how a person's words are looked up in it.

Both sides fold in the same way, so that "œuvre", "OEUVRE" and "oeuvre" are one word. Pure functions; no SQL runs here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_core.store.spelling import Vocabulary

COLUMNS = ("name", "topic", "rest")
WEIGHTS = (10.0, 4.0, 1.0)
TOKENIZER = "unicode61 remove_diacritics 2"
PREFIXES = "2 3"

_LONGEST_QUERY = 200  # characters of a person's question that are read at all
_MOST_WORDS = 12
# NFKD takes no ligature of letters apart; ß is folded by casefold(). The middle dot joins letters in Occitan (des·har).
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "·": ""})
_ACCENTS = re.compile("[\u0300-\u036f]+")
_WORD = re.compile(r"[^\W_]+")
_HYPHENATED = re.compile(r"[^\W_]+(?:[-\u2010\u2011][^\W_]+)+")
_DOTTED = re.compile(r"\b(?:(?:[^\W\d_]\.)+[^\W\d_]\b|(?:[^\W\d_]\.){2,})")


def fold(text: str) -> str:
    """Return `text` in lower case without diacritics or ligatures, dotted acronyms closed up ("P.C.M." is "pcm")."""
    plain = text.lower() if text.isascii() else _unaccented(text)
    return _DOTTED.sub(lambda found: found[0].replace(".", "") + " ", plain)


def _unaccented(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = _ACCENTS.sub("", decomposed.translate(_LIGATURES))
    # the rest of Unicode's combining marks, seldom there, costs a call for each letter
    return plain if plain.isascii() else "".join(letter for letter in plain if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """Return the folded words of `text`, in order. Hyphens, apostrophes and punctuation separate."""
    return _WORD.findall(fold(text))


def index_text(text: str) -> str:
    """Return what the index holds for `text`: its words, then hyphenated ones as one too ("email" finds "e-mail")."""
    folded = fold(text)
    joined = ["".join(_WORD.findall(word)) for word in _HYPHENATED.findall(folded)]
    return " ".join([*_WORD.findall(folded), *joined])


def sort_key(text: str) -> str:
    """Return the key that lists `text` in alphabetical order whatever its accents and case."""
    return " ".join(words(text))


def asked_words(text: str) -> list[str]:
    """Return the words that a question is about; elided letters (l', d', qu') only when nothing longer is there."""
    asked = list(dict.fromkeys(words(text[:_LONGEST_QUERY])))[:_MOST_WORDS]
    return [word for word in asked if len(word) > 1 and word != "qu"] or asked


def match_all(text: str) -> str:
    """Return the FTS5 expression for records that hold each word of `text`, or a word beginning so; "" asks nothing."""
    return " AND ".join(f'"{word}"*' for word in asked_words(text))


def match_any(text: str) -> str:
    """Return the FTS5 expression for records that hold at least one word of `text`; "" asks nothing."""
    return " OR ".join(f'"{word}"*' for word in asked_words(text))


def match_near(text: str, vocabulary: Vocabulary) -> str:
    """Return the expression for what was probably meant: words one edit away, a missing space put back; "" for nothing.

    A word that is in the index stays as it is, unless no other word of the question can be mended.
    """
    asked = asked_words(text)
    near = {word: _near(word, vocabulary) for word in asked if not vocabulary.begins(word)}
    if not any(near.values()):
        near = {word: _near(word, vocabulary) for word in asked}
    if not any(near.values()):
        return ""
    return " AND ".join(_either(word, near.get(word, [])) for word in asked)


def _near(word: str, vocabulary: Vocabulary) -> list[str]:
    """Return FTS5 phrases, each of which may be what `word` means."""
    pair = vocabulary.apart(word)
    joined = [f'("{pair[0]}" AND "{pair[1]}"*)'] if pair else []
    return joined + [f'"{near}"*' for near in vocabulary.meant_by(word)]


def _either(word: str, near: list[str]) -> str:
    return "(" + " OR ".join([f'"{word}"*', *near]) + ")"
