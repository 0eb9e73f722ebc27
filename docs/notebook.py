"""Make ``examples/from_python.ipynb`` of the page: ``python -m docs.notebook``."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE, NOTEBOOK = ROOT / "docs" / "from_python.md", ROOT / "examples" / "from_python.ipynb"


def notebook_of(page: str) -> str:
    """Return a page as a notebook: its Python blocks are cells of code, the rest is text."""
    parts = re.split(r"^```python\n(.*?)^```\n", page, flags=re.DOTALL | re.MULTILINE)
    cells = []
    for number, part in enumerate(parts):
        text, code = part.strip("\n"), number % 2 == 1
        if text:
            kind = {"outputs": [], "execution_count": None} if code else {}
            cell = {"cell_type": "code" if code else "markdown", "id": f"cell-{number}"}
            cells.append({**cell, "metadata": {}, "source": text.splitlines(True), **kind})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook_of(PAGE.read_text("utf-8")), "utf-8")
