# SPDX-License-Identifier: EUPL-1.2
"""Says a text aloud: the page sends what is in focus, eSpeak NG answers with sound; nothing of it is kept.

EN 301 549, 5.1.3: whoever can't see the screen hears it, through headphones of their own.
"""

from __future__ import annotations

import shutil
import subprocess
import threading

from flask import Blueprint, Response, abort, request

from edge_core.one_line import one_line
from kiosk import aloud
from kiosk.here import view

routes = Blueprint("speech", __name__)
LONGEST = 1000
"""Characters that are said; a page never has more to say at once."""
_VOICES = {"fr": "fr", "en": "en-gb", "es": "es", "oc": "ca"}  # eSpeak has no Occitan: its neighbour reads it best
_WORDS_A_MINUTE = "150"
_PATIENCE = 5.0
_at_once = threading.BoundedSemaphore(2)  # one screen, one pair of ears; whatever asks more is not a person


def available() -> bool:
    """Tell whether this device can speak."""
    return shutil.which("espeak-ng") is not None


@routes.post("/<view:view>/speech")
def say() -> Response:
    """Return the sound (WAV) of the form's `text`, in its `lang` if it has another; 503 where none can be made now."""
    text = one_line(request.form.get("text", ""))
    if not text:
        abort(400)
    asked = request.form.get("lang", "")[:2]
    language = asked if asked in _VOICES else view().language
    sound = _spoken(aloud.written(text[:LONGEST], language), _VOICES[language])
    if sound is None:
        return Response("", 503, {"Retry-After": "2"})
    return Response(sound, mimetype="audio/wav", headers={"Cache-Control": "no-store"})


def _spoken(text: str, voice: str) -> bytes | None:
    program = shutil.which("espeak-ng")
    if program is None or not _at_once.acquire(timeout=_PATIENCE):
        return None
    try:
        # By standard input: a text that begins with a dash is no option, and stands in no list of processes.
        words = [program, "--stdin", "--stdout", "-b", "1", "-v", voice, "-s", _WORDS_A_MINUTE]
        done = subprocess.run(words, input=text.encode(), capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    finally:
        _at_once.release()
    return done.stdout if done.returncode == 0 and done.stdout.startswith(b"RIFF") else None
