# SPDX-License-Identifier: EUPL-1.2
"""Choosing a language and its texts."""

import re
from pathlib import Path

import pytest

from edge_core import i18n

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "fr"),
        ("", "fr"),
        ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("en-US,en;q=0.9", "en"),
        ("es-ES, en;q=0.5", "es"),
        ("oc, fr;q=0.8", "oc"),
        ("de-DE,de;q=0.9,fr;q=0.3", "fr"),
        ("de-DE,de;q=0.9", "en"),
        ("ca", "es"),
        ("br", "fr"),
        ("*", "fr"),
        ("fr;q=0, en;q=0.1", "en"),
        ("en;q=banana, es;q=0.2", "es"),
        ("en;q=nan", "fr"),
        ("é\x00,;;;q==,en;q=9", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_language_is_chosen_from_any_header(header, code):
    """Whatever a browser sends, one of the four languages is chosen, French when it says nothing."""
    assert i18n.negotiate(header) == code


def test_content_text_falls_back_to_french_then_to_any():
    """A text that lacks a translation is still shown."""
    assert i18n.text({"fr": "Bonjour", "en": "Hello"}, "en") == "Hello"
    assert i18n.text({"fr": "Bonjour", "es": ""}, "es") == "Bonjour"
    assert i18n.text({"en": "Hello"}, "oc") == "Hello"
    assert i18n.text(None, "fr") == i18n.text({"fr": 3}, "fr") == ""
    assert i18n.text("plain", "fr") == "plain"


def _packages():
    return [
        path for path in sorted(ROOT.glob("*/locales")) + sorted(ROOT.glob("*/*/locales")) if ".venv" not in str(path)
    ]


@pytest.mark.parametrize("folder", _packages(), ids=lambda path: path.parent.name)
@pytest.mark.parametrize("code", ["fr", i18n.EASY, "oc"])
def test_no_mark_stands_alone_on_a_line(folder, code):
    """French and Occitan put a space before ? ! : ; » and after «: one at which no line breaks."""
    if not (folder / f"{code}.po").exists():
        assert code == i18n.EASY
        return
    for message in i18n.read(folder / f"{code}.po"):
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert not [form for form in forms if message.id and re.search(r" [?!:;»]|« ", form)], message.id


@pytest.mark.parametrize("folder", _packages(), ids=lambda path: path.parent.name)
@pytest.mark.parametrize("code", i18n.NAMES)
def test_no_text_lacks_its_translation(folder, code):
    """Every text of a package's templates and code is in each of its catalogues, with the same placeholders."""
    catalogue = i18n.read(folder / f"{code}.po")
    missing = []
    for wanted in i18n.extract(folder.parent):
        if not wanted.id:
            continue
        found = catalogue.get(wanted.id)
        if found is None or not all([found.string] if isinstance(found.string, str) else found.string) or found.fuzzy:
            missing.append(wanted.id)
        elif list(found.check(catalogue)):
            missing.append(f"placeholders of {wanted.id!r}")
    assert not missing, f"run `python -m edge_core.i18n {folder.parent.name}` and translate"


def test_later_catalogue_wins_and_plural_is_french(tmp_path):
    """Catalogues of several packages are one; 0 is singular in French, plural in English."""
    for folder, word in (("a", "un"), ("b", "deux")):
        for code in i18n.NAMES:
            path = tmp_path / folder / f"{code}.po"
            path.parent.mkdir(exist_ok=True)
            rule = "n > 1" if code == "fr" else "n != 1"
            path.write_text(
                f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
                f'"Plural-Forms: nplurals=2; plural=({rule});\\n"\n\nmsgid "word"\nmsgstr "{word}"\n\n'
                f'msgid "only {folder}"\nmsgstr "{folder}"\n\n'
                'msgid "%(n)d thing"\nmsgid_plural "%(n)d things"\nmsgstr[0] "ONE"\nmsgstr[1] "MANY"\n',
                encoding="utf-8",
            )
    languages = i18n.load(tmp_path / "a", tmp_path / "b")
    assert languages["fr"].gettext("word") == "deux"
    assert languages["fr"].gettext("only a") == "a"
    assert languages["fr"].gettext("unknown text") == "unknown text"
    assert languages["fr"].ngettext("%(n)d thing", "%(n)d things", 0) == "ONE"
    assert languages["en"].ngettext("%(n)d thing", "%(n)d things", 0) == "MANY"


@pytest.mark.parametrize("package", ["captive_portal", "kiosk", "edge_core/web"])
def test_occitan_is_gascon_everywhere(package):
    """One form of the language in all catalogues (docs/decisions/0008): no word that only its neighbours write."""
    texts = " ".join(_strings(Path(__file__).parents[3] / package / "locales" / "oc.po"))
    others = re.compile(
        r"\b(amb|dins|fòrça|del|dels|aquò es|uèi|ièr|deman|pichon\w*|vòste|vòstre|benvenguda)\b", re.IGNORECASE
    )
    assert others.findall(texts) == []


def _strings(path):
    for message in i18n.read(path):
        yield from (message.string if isinstance(message.string, tuple) else [message.string])


@pytest.mark.parametrize("folder", _packages(), ids=lambda path: path.parent.name)
@pytest.mark.parametrize("code", ["fr", "es", "oc"])
def test_no_sentence_is_left_in_english(folder, code):
    """A translation that repeats the English words is none; single words, and mere signs, may happen to be the same."""
    catalogue = i18n.read(folder / f"{code}.po")
    same = [message.id for message in catalogue if message.id and message.id == message.string]
    words = {told: re.sub(r"%\(\w+\)[a-z]", "", told).strip() for told in same if isinstance(told, str)}
    assert [told for told, left in words.items() if " " in told and re.search(r"\w", left)] == []


def test_a_new_text_waits_for_its_translation(tmp_path):
    """An update fills in English alone: elsewhere the text stays empty, so that the test above finds it."""
    (tmp_path / "words.py").write_text('text = N_("A new sentence.")\n', encoding="utf-8")
    i18n.update(tmp_path)
    found = {code: i18n.read(tmp_path / "locales" / f"{code}.po").get("A new sentence.").string for code in i18n.NAMES}
    assert found == {"fr": "", "en": "A new sentence.", "es": "", "oc": ""}
