"""The S&P 500 from 1990 to 2022, day by day: it comes with skfolio, so that everybody has the same history."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

FILE = "datasets/data/sp500_index.csv.gz"


def sp500() -> pd.Series:
    """Closes by date. skfolio itself is not imported: it takes seconds."""
    found = find_spec("skfolio")
    assert found is not None
    assert found.submodule_search_locations is not None
    table = pd.read_csv(Path(found.submodule_search_locations[0]) / FILE, index_col="Date", parse_dates=True)
    return table["SP500"]
