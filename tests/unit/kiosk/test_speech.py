# SPDX-License-Identifier: EUPL-1.2
"""The kiosk says what it shows: real speech, in each language, of any text."""

import io
import shutil
import wave

import pytest

from edge_core.i18n import NAMES
from kiosk import speech

needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="no espeak-ng (apt install espeak-ng)")


def seconds(sound):
    """Return how long a WAV from a pipe lasts; its header can't know the length."""
    with wave.open(io.BytesIO(sound)) as read:
        return (len(sound) - 44) / (read.getframerate() * read.getsampwidth() * read.getnchannels())


@needs_espeak
@pytest.mark.parametrize("code", NAMES)
def test_a_sentence_is_said_in_each_language(client, code):
    """Sound of a plausible length comes back, and is kept nowhere."""
    answer = client.post(f"/{code}-s/speech", data={"text": "Bonjour, bienvenue au parc."})
    assert answer.status_code == 200
    assert answer.mimetype == "audio/wav"
    assert answer.headers["Cache-Control"] == "no-store"
    assert 0.8 < seconds(answer.data) < 6


@needs_espeak
@pytest.mark.parametrize(
    "text", ["-f /etc/passwd", "--version", "<speak>a</speak>", "a\0b\x1b[2J", "\u202eabc", "é" * 100_000]
)
def test_any_text_is_said_or_refused(client, text):
    """No text is an option, markup or a command; a long one is cut."""
    answer = client.post("/fr-s/speech", data={"text": text})
    assert answer.status_code in {200, 413}
    if answer.status_code == 200:
        assert seconds(answer.data) < 600


def test_nothing_to_say_is_refused(client):
    """An empty text, or one of control characters alone, is a mistake of the page."""
    assert client.post("/fr-s/speech", data={"text": " \0\x1b"}).status_code == 400
    assert client.post("/fr-s/speech").status_code == 400


def test_without_a_voice_nothing_is_promised(client, monkeypatch):
    """Where eSpeak isn't installed there is no switch, and the sound is refused for now."""
    monkeypatch.setattr(speech.shutil, "which", lambda _: None)
    assert client.post("/fr-s/speech", data={"text": "a"}).status_code == 503
    assert 'data-hear="' not in client.get("/fr/").text


def test_only_speech_loads_its_script(client):
    """Whoever hears nothing loads nothing; the media of the page are its own."""
    assert "speech." not in client.get("/fr/").text.split("<body")[0]
    heard = client.get("/fr-s/")
    assert "/speech" in heard.text
    assert "media-src blob:" in heard.headers["Content-Security-Policy"]


def test_the_way_is_told_floor_by_floor(client, sample):
    """The plan says in words what it draws, for ears and for eyes."""
    page = client.get("/fr/plan/rez?place=bureau-1").text
    assert 'class="steps"' in page
    assert "départ Borne d" in page
    assert "arrivée Bureau 1" in page
    assert "Le trajet sur votre téléphone" not in page  # this kiosk knows no portal
