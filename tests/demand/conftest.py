import pytest

from demand.reader import DemandSource, read_demand
from tests.demand.sales_files import TODAY


@pytest.fixture
def read(tmp_path):
    def do(content, settable=True, **options):
        path = tmp_path / "sales.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_demand(DemandSource(file=path, **options), TODAY, settable=settable)

    return do
