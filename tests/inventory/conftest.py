from pathlib import Path

import pytest


@pytest.fixture
def bakery():
    """The shipped demand file, as a configuration names it."""
    file = Path(__file__).parents[2] / "data" / "bakery_3stores.csv"
    return {"file": file, "column": "store_37", "split": "2018-07-01"}
