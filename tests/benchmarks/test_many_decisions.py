import pytest
from click.testing import CliRunner

from benchmarks import many_decisions


def test_generated_products_are_decided(tmp_path):
    pytest.importorskip("pyarrow", reason="no pyarrow: pip install pyarrow")
    options = ("--skus", 3, "--stores", 2, "--days", 300, "--workers", 1, "--rounds", 1)
    done = CliRunner().invoke(
        many_decisions.main, [str(x) for x in (*options, "--folder", tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert "6 orders of 3 SKUs in 2 stores" in done.output
    assert "the same bytes" in done.output
