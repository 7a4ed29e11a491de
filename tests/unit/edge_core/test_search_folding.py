# SPDX-License-Identifier: EUPL-1.2
"""Folding is the same on both sides of the index, for any text."""

import sqlite3
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_core.store import search


@given(st.text())
def test_folding_twice_changes_nothing(text):
    """What is folded is in its final form."""
    assert search.words(search.fold(text)) == search.words(text)


@given(st.text())
def test_case_and_composition_do_not_count(text):
    """A word is found however its accents are encoded."""
    assert search.words(unicodedata.normalize("NFD", text)) == search.words(unicodedata.normalize("NFC", text))


@pytest.fixture(scope="module")
def index():
    connection = sqlite3.connect(":memory:")
    connection.execute(
        f"CREATE VIRTUAL TABLE t USING fts5(x, tokenize='{search.TOKENIZER}', prefix='{search.PREFIXES}')"
    )
    yield connection
    connection.close()


@given(text=st.text(max_size=60), asked=st.text(max_size=60))
def test_any_question_is_valid_syntax_and_a_text_finds_itself(index, text, asked):
    """No text breaks a query, and a text whose words SQLite knows is found by its own words."""
    index.execute("DELETE FROM t")
    index.execute("INSERT INTO t VALUES (?)", (search.index_text(text),))
    for expression in filter(None, (search.match_all(asked), search.match_any(asked))):
        index.execute("SELECT count(*) FROM t WHERE t MATCH ?", (expression,)).fetchone()
    if text.isascii() and (own := search.match_all(text)):
        assert index.execute("SELECT count(*) FROM t WHERE t MATCH ?", (own,)).fetchone() == (1,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("L\u2019Œuvre d'Éric", ["l", "oeuvre", "d", "eric"]),
        ("P.C.M. et S.A", ["pcm", "et", "sa"]),
        ("3.5 km", ["3", "5", "km"]),
        ("des·har", ["deshar"]),
        ("Straße", ["strasse"]),
    ],
)
def test_words(text, words):
    """The rules of folding, by example."""
    assert search.words(text) == words
