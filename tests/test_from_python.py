"""Every line of the page "From Python" runs, and the notebook holds the same lines."""

import ast
import json
import re

from docs.notebook import NOTEBOOK, PAGE, notebook_of

SHORTER = {
    "100_000": "2_000",
    "9_600": "1_600",
    "200_000": "5_760",
    "episodes=500": "episodes=50",
    "range(60)": "range(1)",
}


def test_the_notebook_is_that_of_the_page():
    assert NOTEBOOK.read_text("utf-8") == notebook_of(PAGE.read_text("utf-8")), (
        "make it anew: python -m docs.notebook"
    )


def test_every_cell_runs(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    for long, short in SHORTER.items():
        assert long in code
        code = code.replace(long, short)
    names = {}
    exec(compile(ast.parse(code), str(NOTEBOOK), "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out
    assert names["total"] > -2_300  # a whole episode was played
    bbc, wait = (float(x) for x in re.findall(r"(?:convert|wait): (-[\d.]+)", printed))
    assert bbc > wait + 300
