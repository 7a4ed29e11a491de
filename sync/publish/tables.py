# SPDX-License-Identifier: EUPL-1.2
"""Reads tables: CSV (comma or semicolon, UTF-8) and the first sheet of an XLSX workbook, with line numbers."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from sync.publish.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sync.publish.problems import Problems

_LARGEST = 50 << 20  # bytes of one table
_Lines = list[tuple[int, list[str]]]


def read(
    folder: Path,
    name: str,
    columns: Sequence[str],
    problems: Problems,
    *,
    optional: Sequence[str] = (),
    lax: bool = False,
) -> list[Row]:
    """Return the rows of `name`.csv or `name`.xlsx in `folder`; none when neither exists.

    `columns` must be there, `optional` ones may; any other is a mistake (a misspelt column would be lost in silence)
    unless `lax`. Mistakes go to `problems`.
    """
    path = folder / f"{name}.csv"
    workbook = folder / f"{name}.xlsx"
    if workbook.exists() and path.exists():
        problems.add(f"{name}.csv", 0, f"{workbook.name} is there too.", "Keep one of the two.")
    if workbook.exists():
        return _rows(
            f"{name}.xlsx", _workbook(workbook, f"{name}.xlsx", problems), columns, optional, problems, lax=lax
        )
    return read_csv(path, f"{name}.csv", columns, problems, optional=optional, lax=lax) if path.exists() else []


def read_csv(
    path: Path,
    name: str,
    columns: Sequence[str],
    problems: Problems,
    *,
    optional: Sequence[str] = (),
    lax: bool = False,
) -> list[Row]:
    """Return the rows of one CSV file, called `name` in messages."""
    return _rows(name, _csv(path, name, problems), columns, optional, problems, lax=lax)


def decoded(path: Path, name: str, problems: Problems) -> str | None:
    """Return a text file's content, or None after noting why not."""
    data = path.read_bytes()
    if len(data) > _LARGEST:
        problems.add(name, 0, f"it has {len(data)} bytes.", f"Keep it under {_LARGEST}.")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.add(name, line, "it is not UTF-8 text.", "Save the file with the encoding UTF-8.")
        return None


def _csv(path: Path, name: str, problems: Problems) -> _Lines:
    text = decoded(path, name, problems)
    if text is None:
        return []
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if header.count(";") > header.count(",") else ",", strict=True)
    try:
        return [(line, cells) for line, cells in _numbered(reader) if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        problems.add(name, reader.line_num, f"it can't be read as CSV ({error}).", "Check the quotes of this line.")
        return []


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line on which it begins: a quoted cell may hold several lines."""
    begins = 1
    for cells in reader:
        yield begins, cells
        begins = reader.line_num + 1  # type: ignore[attr-defined]  # csv.reader has it


def _workbook(path: Path, name: str, problems: Problems) -> _Lines:
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            rows = book.worksheets[0].iter_rows(values_only=True)
            return [(line, [_cell(value) for value in row]) for line, row in enumerate(rows, 1) if any(row)]
        finally:
            book.close()
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, IndexError, OSError) as error:
        problems.add(name, 0, f"it can't be read as a workbook ({error}).", "Save it again as XLSX, or as CSV.")
        return []


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _rows(
    name: str, lines: _Lines, columns: Sequence[str], optional: Sequence[str], problems: Problems, *, lax: bool
) -> list[Row]:
    if not lines:
        if name not in {problem.file for problem in problems.found}:
            problems.add(name, 1, "it is empty.", f"Its first line names: {', '.join(columns)}; or remove the file.")
        return []
    header = [cell.strip() for cell in lines[0][1]]
    while header and not header[-1]:
        header.pop()
    if not _header_is_good(name, header, columns, optional, problems, lax=lax):
        return []
    found = []
    for line, cells in lines[1:]:
        if any(cell.strip() for cell in cells[len(header) :]) or len(cells) < len(header):
            problems.add(
                name,
                line,
                f"it has {len(cells)} cells where {len(header)} are expected.",
                "Put quotes around a text that holds a comma, and check that no cell is missing.",
            )
            continue
        found.append(Row(name, line, dict(zip(header, cells, strict=False)), problems))
    return found


def _header_is_good(
    name: str, header: list[str], columns: Sequence[str], optional: Sequence[str], problems: Problems, *, lax: bool
) -> bool:
    missing = [column for column in columns if column not in header]
    unknown = [] if lax else [column for column in header if column not in {*columns, *optional}]
    for column in missing:
        problems.add(name, 1, f'the column "{column}" is missing.', f"The first line names: {', '.join(columns)}.")
    for column in unknown:
        known = ", ".join([*columns, *optional])
        problems.add(name, 1, f'the column "{column}" is unknown.', f"Known columns: {known}.")
    return not missing and not unknown
