"""Reading lists: tables whose mistakes are named by their line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from avzoo.data.clips import DataError

Row = Mapping[str, Any]


def text_lines(path: Path) -> list[tuple[int, str]]:
    """Lines of a text that hold something, and their numbers.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def csv_rows(
    path: Path, columns: Sequence[str], header: bool = True, delimiter: str = ","
) -> Iterator[tuple[int, Row]]:
    """Rows of a CSV file with their line numbers.

    Args:
        path: The file.
        columns: Columns that every row must have; the names of all columns where there is no header.
        header: Whether the first line names the columns; without it, lines that start with # are comments.
        delimiter: What stands between values.

    Raises:
        DataError: The file cannot be read, or lacks a column or a value.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file if header else _without_comments(file), skipinitialspace=True, delimiter=delimiter)
            names = [name.strip() for name in next(reader, [])] if header else list(columns)
            missing = [name for name in columns if name not in names]
            if missing:
                raise DataError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(names) or 'none'}")
            for values in reader:
                if not values:
                    continue
                row = dict(zip(names, values, strict=False))
                if len(values) < len(names) and any(name not in row for name in columns):
                    raise DataError(f"line {reader.line_num} of {path} is incomplete: {','.join(values)}")
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error


def _without_comments(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield "" if line.startswith("#") else line


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Rows of a Parquet file, numbered from 1; see `csv_rows`."""
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {' '.join(str(error).split())}") from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(table.column_names)}")
    yield from enumerate(table.to_pylist(), start=1)


def seconds(row: Row, column: str, path: Path, line: int) -> float | None:
    """A time in a row; None where the column is missing or empty.

    Raises:
        DataError: It is no number of seconds.
    """
    value = row.get(column)
    if value is None or value == "":
        return None
    try:
        time = float(value)
    except (TypeError, ValueError):
        time = -1.0
    if not 0 <= time < float("inf"):
        raise DataError(f"line {line} of {path}: {column} {value!r} is no number of seconds")
    return time


def span(row: Row, path: Path, line: int, start: str = "start", end: str = "end") -> tuple[float | None, float | None]:
    """Start and end in a row.

    Raises:
        DataError: One is no number of seconds, or the end does not come after the start.
    """
    first, last = seconds(row, start, path, line), seconds(row, end, path, line)
    if last is not None and last <= (first or 0.0):
        raise DataError(f"line {line} of {path}: it ends at {last:g} s, and starts at {first or 0.0:g} s")
    return first, last
