# SPDX-License-Identifier: EUPL-1.2
"""What a form accepts."""

from datetime import datetime, timedelta

import pytest

from kiosk import answers

NOW = datetime.fromisoformat("2026-12-01T11:40:00+01:00")
TODAY = NOW.date()
FIELDS = ["date", "time", "people", "comment", "email", "phone", "name"]
GOOD = {"date": "2026-12-03", "time": "14:30", "people": "8", "name": "Nom Fictif"}


def check(**changed):
    return answers.check(answers.questions(FIELDS, 8), {**GOOD, **changed}, NOW)


def test_good_answers_are_kept_and_nothing_else():
    """An answer to a question that wasn't asked is dropped."""
    assert check(admin="yes") == answers.Checked(GOOD, {})


@pytest.mark.parametrize(
    ("name", "answer", "reason"),
    [
        ("date", "", "missing"),
        ("date", "2026-11-30", "not_a_day"),
        ("date", (TODAY + timedelta(days=14)).isoformat(), "not_a_day"),
        ("date", "<script>", "not_a_day"),
        ("time", "14:31", "not_a_time"),
        ("people", "9", "too_many"),
        ("people", "0", "not_a_number"),
        ("people", "-1", "not_a_number"),
        ("people", "²", "not_a_number"),
        ("people", "9" * 5000, "not_a_number"),
        ("comment", "a" * 1001, "too_long"),
        ("name", "a" * 10_000, "too_long"),
        ("name", "\u202e\0\t ", "missing"),
        ("email", "nobody", "email"),
        ("phone", "call me", "phone"),
        ("comment", "mine is 00:11:22:aa:bb:cc, thanks", "hardware"),
    ],
)
def test_a_bad_answer_is_refused_with_its_reason(name, answer, reason):
    """Each refusal has words for the person."""
    found = check(**{name: answer})
    assert found.refused == {name: reason}
    assert reason in answers.REASONS


def test_what_overrides_or_controls_is_taken_out_of_a_text():
    """Control and direction characters don't travel; lines of a comment do."""
    found = check(comment="un\r\ndeux\u202e\x07 trois", name=" Nom\n\nFictif ")
    assert found.answers["comment"] == "un \ndeux   trois"
    assert found.answers["name"] == "Nom Fictif"


@pytest.mark.parametrize("fields", [[None, 3, {"a": 1}, "Bad Name", "a" * 41, "../x"], []])
def test_fields_that_no_form_could_carry_are_left_out(fields):
    """A malformed record gives a shorter form, not an error."""
    assert answers.questions(fields, "many") == []


def test_a_comment_alone_is_the_message_itself():
    """Nobody sends an empty message by touching a button."""
    asked = answers.questions(["comment"])
    assert answers.check(asked, {}, NOW).refused == {"comment": "missing"}
    assert asked[0].label == "message"


def test_a_time_that_is_over_is_refused_today_only():
    """Nobody books a room for this morning in the afternoon."""
    assert check(date=TODAY.isoformat(), time="11:30").refused == {"time": "over"}
    assert check(date=TODAY.isoformat(), time="12:00").refused == {}
    assert check(time="11:30").refused == {}
