"""Tables for spreadsheets."""

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(table: pd.DataFrame, index: bool = False) -> bytes:
    """The table as UTF-8 text. A spreadsheet would execute a text that looks like a formula: it gets a ' in front."""
    safe = table.map(_inert).rename(columns=_inert, index=_inert)
    text: str = safe.to_csv(index=index, lineterminator="\n")
    return text.encode()


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
