import os
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="no uvicorn: pip install -e '.[serve]'")

import uvicorn

from tests.service import chromium
from tests.service.app import service

if (why := chromium.missing()) is not None:
    pytest.skip(why, allow_module_level=True)

AXE = os.environ.get("AXE")
"""Path of axe.min.js (npm pack axe-core), to look for faults of accessibility too."""

CUT_OFF = """[...document.querySelectorAll('.scroll')]
    .filter(part => part.scrollWidth > part.clientWidth).map(part => part.ariaLabel)"""
NAME = "'tuned_newsvendor_boosting_covariates'"


@pytest.fixture(scope="module")
def site(runs, tmp_path_factory):
    address = str(tmp_path_factory.mktemp("browser") / "service.db")
    with service(runs, address) as (_, callers):
        app = callers["admin"].http.app
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        callers["planner"].decide()
        yield f"http://127.0.0.1:{port}", callers
        server.should_exit = True
        thread.join()


def type_into(page, selector, text):
    page.run(f"document.querySelector({selector!r}).focus()")
    page.run(f"document.querySelector({selector!r}).value = ''")
    page.send("Input.insertText", text=text)


def faults(page):
    """Return what axe finds serious; nothing without it."""
    if AXE is None:
        return []
    page.run(Path(AXE).read_text() + ";0")
    serious = "r.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => v.id)"
    return page.run(f"axe.run().then(r => {serious})")


def test_a_day_at_the_page(site):
    address, callers = site
    token = callers["admin"].headers["authorization"].split()[1]
    with chromium.browser() as page:
        page.look(1400)
        page.go(address)
        type_into(page, "#token", token)
        page.leave_by("document.querySelector('form.narrow button').click()")
        first = "document.querySelector('section h2').innerText"
        assert page.run(first).startswith("Exceptions")
        assert "runs out" in page.run("document.querySelector('tbody tr').innerText")
        for path in ("/", "/orders/2", "/policies", "/docs"):
            for width in (1400, 420):
                for dark in (False, True):
                    page.look(width, dark=dark)
                    page.go(f"{address}{path}")
                    assert page.run("document.documentElement.scrollWidth") <= width
                    assert faults(page) == []
        page.look(360)
        page.go(address)
        assert page.run(CUT_OFF) == []
        page.go(f"{address}/orders/2")
        page.run("[...document.querySelectorAll('.why td:last-child')].at(-1).innerText = " + NAME)
        assert page.run("document.documentElement.scrollWidth") <= 360
        page.look(1400)
        page.go(address)
        page.leave_by("document.querySelector('tbody a').click()")
        assert "Protection period" in page.run("document.querySelector('.why').innerText")
        assert page.run("document.querySelectorAll('svg polygon').length") == 1
        type_into(page, "#quantity", "77")
        type_into(page, "#reason", "fair in town")
        page.press("Enter", 13, "\r")
        page.wait("document.readyState === 'complete' && document.querySelector('.said')")
        assert "Overridden: fair in town" in page.run("document.body.innerText")
        for label, status in (("Approve", "approved"), ("Place", "placed")):
            button = (
                f"[...document.querySelectorAll('button')].find(b => b.innerText === '{label}')"
            )
            page.leave_by(f"{button}.click()")
            assert page.run("document.querySelector('.said').innerText") == status
        table = page.run("fetch('/export.csv').then(answer => answer.text())")
        assert "placed,77.0" in table
        page.run("document.activeElement.blur()")
        page.go(address)
        page.press("Tab", 9)
        assert page.run("document.activeElement.className") == "skip"
