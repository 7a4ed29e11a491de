# SPDX-License-Identifier: EUPL-1.2
"""Reads Markdown documents with TOML front matter, one file per language; the only module that makes HTML of text.

`terms.fr.md` and `terms.en.md` are one record, `terms`. Front matter stands between two lines of `+++`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import nh3
from markdown_it import MarkdownIt

from sync.downlink.repository_format import LANGUAGES, is_slug
from sync.publish import rows, tables

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from sync.publish.problems import Problems

_NAME = re.compile(rf"(?P<id>[^.]+)(?:\.(?P<language>{'|'.join(LANGUAGES)}))?\.md")
_TOML_LINE = re.compile(r"at line (\d+)")
# fmt: off
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "code", "dd", "dl", "dt", "em", "h2", "h3", "h4", "hr", "i", "li", "ol",
    "p", "pre", "s", "small", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}
# fmt: on
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_FORM = 'Begin it with +++, title = "…", +++, then the text in Markdown.'


@dataclass(frozen=True)
class Document:
    """One file: its language, front matter and text as safe HTML."""

    file: str
    language: str
    head: dict[str, Any]
    html: str

    def words(self, key: str) -> str:
        """Return a text of the front matter, or ""."""
        value = self.head.get(key, "")
        return rows.clean(value) if isinstance(value, str) else ""


def safe_html(markup: str) -> str:
    """Return `markup` with nothing left in it but harmless elements and links: no script, style, image or form."""
    return nh3.clean(
        markup, tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"https", "http", "mailto", "tel"}
    ).strip()


def plain(markup: str) -> str:
    """Return the words of `markup`, without any element, on one line."""
    text = nh3.clean(markup, tags=set())
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u00a0"), ("&amp;", "&")):
        text = text.replace(entity, letter)
    return rows.clean(" ".join(text.split()))


def read(folder: Path, problems: Problems) -> dict[str, dict[str, Document]]:
    """Return the documents of `folder` by id and language; mistakes go to `problems`."""
    found: dict[str, dict[str, Document]] = {}
    for path in sorted(folder.glob("*.md")):
        name = f"{folder.name}/{path.name}"
        match = _NAME.fullmatch(path.name)
        if match is None or not is_slug(match["id"]):
            problems.add(
                name,
                0,
                "its name is not one that a page can have.",
                "Call it like terms.fr.md: small letters, language.",
            )
            continue
        document = _document(path, name, match["language"] or "fr", problems)
        if document is not None:
            found.setdefault(match["id"], {})[document.language] = document
    for record_id, languages in found.items():
        if not any((folder / name).exists() for name in (f"{record_id}.fr.md", f"{record_id}.md")):
            name = next(iter(languages.values())).file
            problems.add(name, 0, "it has no French version.", f"Add {folder.name}/{record_id}.fr.md.")
    return {record_id: languages for record_id, languages in found.items() if "fr" in languages}


def _document(path: Path, name: str, language: str, problems: Problems) -> Document | None:
    text = tables.decoded(path, name, problems)
    if text is None:
        return None
    text = text.replace("\r\n", "\n")
    head, fence, body = text.removeprefix("+++\n").partition("\n+++")
    if not text.startswith("+++\n") or not fence:
        problems.add(name, 1, "it has no front matter.", _FORM)
        return None
    try:
        values = tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:
        line = _TOML_LINE.search(str(error))
        problems.add(name, int(line[1]) + 1 if line else 1, f"its front matter is not TOML ({error}).", _FORM)
        return None
    document = Document(name, language, values, safe_html(_MARKDOWN.render(body)))
    if not document.words("title"):
        problems.add(name, 1, "its front matter has no title.", _FORM)
    return document


def texts(languages: dict[str, Document]) -> dict[str, dict[str, str]]:
    """Return title, summary and body in every language."""
    documents = {language: languages[language] for language in LANGUAGES if language in languages}
    return {
        "title": {language: each.words("title") for language, each in documents.items()},
        "summary": {language: each.words("summary") for language, each in documents.items() if each.words("summary")},
        "body": {language: each.html for language, each in documents.items() if each.html},
    }


def pages(folder: Path, problems: Problems, *, whole: bool = True) -> list[dict[str, Any]]:
    """Return the records of pages/*.md. The terms of use must be there: nobody gets online without them."""
    found = read(folder / "pages", problems)
    if whole and "terms" not in found:
        problems.add("pages/terms.fr.md", 0, "the terms of use are missing.", _FORM)
    return [{"id": record_id, **texts(languages)} for record_id, languages in found.items()]


def articles(folder: Path, zone: ZoneInfo, problems: Problems) -> list[dict[str, Any]]:
    """Return the records of news/*.md."""
    found = read(folder / "news", problems)
    return [_article(record_id, languages, zone, problems) for record_id, languages in found.items()]


def _article(record_id: str, languages: dict[str, Document], zone: ZoneInfo, problems: Problems) -> dict[str, Any]:
    french = languages["fr"]
    published = french.head.get("published")
    if not isinstance(published, date):
        problems.add(
            french.file, 1, "its front matter has no date.", "Add a line such as published = 2026-11-18T09:00:00+01:00."
        )
        published = date.min
    moment = published if isinstance(published, datetime) else datetime.combine(published, time(8))
    written = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return {
        "id": record_id,
        **texts(languages),
        "published": written.isoformat(),
        "source": french.words("source"),
        "company": french.words("company"),
        "priority": _priority(french, problems),
    }


def _priority(document: Document, problems: Problems) -> int | None:
    value = document.head.get("priority")
    if value is not None and not (isinstance(value, int) and 1 <= value <= rows.FIRST):
        message = f"its priority is not a number from 1 to {rows.FIRST}."
        problems.add(document.file, 1, message, f"Write priority = {rows.FIRST} for what goes first of all.")
        return None
    return value
