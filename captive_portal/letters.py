# SPDX-License-Identifier: EUPL-1.2
"""Sends the letter with the link; the one module that speaks SMTP. No address is kept or logged."""

from __future__ import annotations

import smtplib
import ssl
import threading
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_core import logs
from edge_core.errors import ParvisError
from edge_core.web import dates

if TYPE_CHECKING:
    from edge_core.settings_sections import Mail

_log = logs.get(__name__)
_SECONDS = 8.0
_PATIENCE = 1.0  # seconds to wait for one of the places
_AT_ONCE = threading.BoundedSemaphore(4)  # of the portal's 16 threads; the rest go on serving pages


class LetterError(ParvisError):
    """The mail server refuses the letter, or can't be reached."""


def send(settings: Mail, to: str, subject: str, text: str, now: float) -> None:
    """Hand a letter to the mail server. Raises LetterError. `to` was checked to be one plain address."""
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = settings.sender, to, subject
    letter["Date"] = format_datetime(dates.here(now))
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot answers it
    letter.set_content(text)
    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise LetterError("Too many letters are being sent.")
    try:
        with _connect(settings) as server:
            server.send_message(letter)
    except (smtplib.SMTPException, OSError) as error:
        _log.warning("letter_refused", reason=type(error).__name__)
        raise LetterError("The mail server did not take the letter.") from error
    finally:
        _AT_ONCE.release()


def _connect(settings: Mail) -> smtplib.SMTP:
    """Connect, by TLS where the server has it; a password is never sent without."""
    parts = urlsplit(settings.server)
    host, context = parts.hostname or "", ssl.create_default_context(cafile=settings.ca)
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=_SECONDS)
        server.ehlo_or_helo_if_needed()
        if settings.user or server.has_extn("starttls"):
            server.starttls(context=context)
    if settings.user and settings.password:
        server.login(settings.user, settings.password.read_text(encoding="utf-8").strip())
    return server
