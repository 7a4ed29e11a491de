# SPDX-License-Identifier: EUPL-1.2
"""The four languages that people are spoken to in: choosing one, and loading gettext catalogues.

Catalogues are `locales/<code>.po`, committed as text and compiled in memory at start. `python -m edge_core.i18n FOLDER`
brings the catalogues of a package up to date with the texts of its templates and code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from babel.support import Translations

DEFAULT = "fr"
NAMES = {"fr": "Français", "en": "English", "es": "Español", "oc": "Occitan"}
EASY, EASY_NAME = "fr-x-falc", "Français facile"
"""French that is easy to read and to understand ("FALC"), as a private subtag of BCP 47; the content is French's."""
_LOCALES = {"fr": "fr_FR", "en": "en_GB", "es": "es_ES", "oc": "oc", EASY: "fr_FR"}
_RANGES_READ = 20  # an Accept-Language of more ranges is not from a person's device
_SOURCES = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
_HEADER = """# SPDX-License-Identifier: EUPL-1.2
msgid ""
msgstr ""
"Language: {code}\\n"
"Plural-Forms: {plural}\\n"
"Content-Type: text/plain; charset=utf-8\\n"

"""
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}


@dataclass(frozen=True)
class Language:
    """One language: its code ("fr"), its name in itself, how it writes dates, and its texts."""

    code: str
    name: str
    locale: Locale
    catalogue: Translations

    def gettext(self, message: str) -> str:
        """Return the translation of an English text of ours."""
        return str(self.catalogue.gettext(message))

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Return the translation of a text of ours that counts something."""
        return str(self.catalogue.ngettext(one, many, number))

    def text(self, value: object) -> str:
        """Return a text of the content in this language (see `text`)."""
        return text(value, self.code)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate this later"
    """Mark a text that is translated where it is shown."""
    return message


def text(value: object, code: str) -> str:
    """Return a text of the content, {"fr": …, "en": …}, in language `code`, else French, else any; "" for none."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        return ""
    wanted = (value.get(code), value.get(DEFAULT), *value.values())
    return next((found for found in wanted if isinstance(found, str) and found), "")


def negotiate(accept_language: str | None) -> str:
    """Choose our language for an Accept-Language header (RFC 9110, 12.5.4). Whatever it holds, the answer is a code."""
    ranges = sorted(_ranges(accept_language or ""), key=lambda pair: -pair[1])
    for code, quality in ranges:
        if quality > 0 and code in NAMES:
            return code
        if quality > 0 and code in {"ca", "gl", "eu", "pt"}:  # neighbours who rather read Spanish than French
            return "es"
    others = any(quality > 0 and code not in {"*", "br", "co"} for code, quality in ranges)
    return "en" if others else DEFAULT


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(",")[:_RANGES_READ]:
        tag, _, parameter = part.partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            quality = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().split("-")[0]
        if primary:
            yield primary, min(quality, 1.0) if quality >= 0 else 0.0  # "nan" compares false


def load(*folders: Path) -> dict[str, Language]:
    """Load `<code>.po` of each folder for every language; a text of a later folder wins.

    Raises FileNotFoundError or Babel's PoFileError: a wheel without its catalogues must not start.
    """
    return {
        code: Language(code, name, Locale.parse(_LOCALES[code]), _merged(code, folders)) for code, name in NAMES.items()
    }


def easy(*folders: Path) -> Language:
    """Load easy French: each folder's French, with what its `fr-x-falc.po`, where there is one, says more easily."""
    catalogue = _merged("fr", folders)
    for folder in folders:
        if (folder / f"{EASY}.po").exists():
            catalogue = catalogue.merge(_merged(EASY, [folder]))
    return Language(DEFAULT, EASY_NAME, Locale.parse(_LOCALES[EASY]), catalogue)


def _merged(code: str, folders: Iterable[Path]) -> Translations:
    merged: Translations | None = None
    for folder in folders:
        compiled = BytesIO()
        write_mo(compiled, read(folder / f"{code}.po"))
        compiled.seek(0)
        found = Translations(compiled)
        merged = found if merged is None else merged.merge(found)
    return merged or Translations()


def read(path: Path) -> Catalog:
    """Read one catalogue."""
    with path.open("rb") as file:
        return read_po(file, locale=_LOCALES[path.stem], abort_invalid=True)


def extract(package: Path) -> Catalog:
    """Collect the texts of a package's templates and code that `_()`, `ngettext()` and `N_()` mark."""
    catalogue = Catalog(charset="utf-8", fuzzy=False)
    options: dict[str, dict[str, Any]] = {"**/templates/**.html": {"trimmed": "true", "silent": "false"}}
    found = extract_from_dir(package, _SOURCES, options, keywords=_KEYWORDS, strip_comment_tags=True)
    for file, _line, message, _comments, context in found:
        catalogue.add(message, locations=[(Path(file).as_posix(), 0)], context=context)
    return catalogue


def update(package: Path) -> None:
    """Add a package's new texts to its catalogues and drop those that are gone; English repeats the source."""
    for code in NAMES:
        template = extract(package)  # anew: a catalogue takes the template's messages themselves, not copies of them
        path = package / "locales" / f"{code}.po"
        path.parent.mkdir(exist_ok=True)
        catalogue = read(path) if path.exists() else Catalog(locale=_LOCALES[code], charset="utf-8")
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        if code == "en":
            for message in catalogue:
                message.string = message.id
        path.write_bytes(_written(catalogue, code))


def _written(catalogue: Catalog, code: str) -> bytes:
    """Return the file's text; of the header only what gettext needs, so that an update changes no other line."""
    header = _HEADER.format(code=code, plural=catalogue.plural_forms)
    body = BytesIO()
    write_po(body, catalogue, width=110, omit_header=True, include_lineno=False, sort_output=True)
    return header.encode() + body.getvalue().lstrip(b"\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        update(Path(name))
