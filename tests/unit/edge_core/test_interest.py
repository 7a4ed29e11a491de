# SPDX-License-Identifier: EUPL-1.2
"""Pages and searches are counted without persons, and words that few asked for die in memory."""

from hypothesis import given
from hypothesis import strategies as st

from edge_core.events import PagesRead, SearchesAsked, Touched
from edge_core.interest import Interest


def window(seconds=300):
    seen = Interest("kiosk-1", seconds, 10, 5)
    seen.turn(300.0)
    return seen


def test_ten_askers_are_told_and_nine_are_not():
    """By distinct people: one person who reads a page a hundred times is one."""
    seen = window()
    for number in range(13):
        seen.read("companies", "ardoise", f"p{number}")
        seen.searched("  Le  RESTAURANT", f"p{number}", found=True)
    for number in range(9):
        for _ in range(20):
            seen.read("news", "ouverture", f"p{number}")
            seen.searched("un secret", f"p{number}", found=False)
    pages, searches = seen.turn(600.0)
    assert pages == PagesRead(
        place="kiosk-1", start=300, seconds=300, pages=[{"collection": "companies", "id": "ardoise", "askers": 15}]
    )
    assert searches == SearchesAsked(
        place="kiosk-1", start=300, seconds=300, asked=195, unanswered=180,
        words=[{"text": "le restaurant", "askers": 15}],
    )  # fmt: skip


def test_a_window_is_told_once_and_a_quiet_one_not_at_all():
    """Nothing is written where nothing may be said."""
    seen = window()
    for number in range(12):
        seen.touched(f"v{number % 9}")
    assert seen.turn(599.0) == []
    (touched,) = seen.turn(600.0)
    assert touched == Touched(place="kiosk-1", start=300, seconds=300, touches=10, visits=None)
    seen.touched("v")
    assert seen.turn(900.0) == seen.turn(1200.0) == []


def test_nothing_of_a_person_or_of_a_word_stays():
    """The salt and the words go with their window."""
    seen = window()
    seen.searched("quelqu'un", "10.77.0.5", found=False)
    assert "10.77.0.5" not in repr(seen._window)
    salt = seen._window.salt
    seen.turn(600.0)
    assert seen._window.salt != salt
    assert "quelqu" not in repr(vars(seen))


def test_made_up_words_cost_no_memory():
    """They are counted in the sums, and the first two thousand alone are remembered."""
    seen = window()
    for number in range(5000):
        seen.searched(f"mot {number}", "one", found=False)
    assert len(seen._window.words) == 2000
    (searches,) = seen.turn(600.0)
    assert (searches.asked, searches.words) == (5000, [])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 14)), max_size=200))
def test_no_page_is_told_with_fewer_than_ten(opened):
    """Whoever opens what."""
    seen = window()
    for page, person in opened:
        seen.read("news", page, str(person))
    told = {row["id"]: row["askers"] for event in seen.turn(600.0) for row in event.pages}
    truth = {page: len({who for each, who in opened if each == page}) for page in "abc"}
    assert all(truth[page] >= 10 and askers >= 10 for page, askers in told.items())
    assert told.keys() == {page for page, count in truth.items() if count >= 10}


def asked(seen, at=600.0):
    return next((event for event in seen.turn(at) if isinstance(event, SearchesAsked)), None)


def typing(seen, *letters, people=10, found=True):
    for number in range(people):
        for text in letters:
            seen.typed(text, f"p{number}", found=found)


def test_letters_are_one_question():
    """Added, put right, taken away again: what stood there whole is counted, once, when the window closes."""
    for letters in (("a", "ard", "ardoise"), ("ardoisx", "ardois", "ardoise"), ("ardoise", "ardo", "a")):
        seen = window()
        typing(seen, *letters)
        event = asked(seen)
        assert (event.asked, event.words) == (10, [{"text": "ardoise", "askers": 10}]), letters


def test_another_word_is_another_question():
    """Also after the first was taken away letter by letter, or at once."""
    for letters in (("ardoise", "a", "", "c", "café"), ("ardoise", "café"), ("ardoise", "ard", "café")):
        seen = window()
        typing(seen, *letters)
        event = asked(seen)
        assert event.asked == 20, letters
        assert {row["text"] for row in event.words} == {"ardoise", "café"}


def test_typed_and_sent_is_one_search():
    """Whoever presses Enter after the letters has searched once; a page that is opened ends the question."""
    seen = window()
    typing(seen, "ard", "ardoise", found=False)
    for number in range(10):
        seen.searched("Ardoise", f"p{number}", found=False)
        seen.read("companies", "ardoise", f"p{number}")
    event = asked(seen)
    assert (event.asked, event.unanswered) == (10, 10)


def test_letters_that_few_typed_die_too():
    """Nine who type are told of nowhere, and whoever makes up typists by the thousand costs no memory."""
    seen = window()
    typing(seen, "secret", people=9)
    assert asked(seen) is None
    typing(seen, "x", people=5000)
    assert len(seen._window.typing) == 2000
