"""Chromium without a window, steered through its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 60
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*", "--hide-scrollbars"),
)


def missing():
    """Return why there is no browser here, None if there is one."""
    try:
        import websockets  # noqa: F401
    except ImportError:
        return "no browser test: pip install websockets"
    return None if _program() else "no browser test: apt-get install chromium"


def _program():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


class Page:
    """A tab."""

    def __init__(self, socket):
        self._socket, self._number = socket, 0

    def send(self, method, **parameters):
        """Return the result of a method of the protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=SECONDS))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script):
        """Return the value of a script, or of its promise."""
        done = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, condition):
        """Wait until a script is true, whichever page it is on by then."""
        until = time.monotonic() + SECONDS
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < until, condition
            time.sleep(0.05)

    def go(self, address):
        """Load a page."""
        self.run("document.body && (document.body.dataset.old = '1')")
        self.send("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && !document.body.dataset.old")

    def leave_by(self, script):
        """Run a script that leads to another page, and wait for it."""
        self.run("document.body.dataset.old = '1'")
        self.run(script)
        self.wait("document.readyState === 'complete' && !document.body.dataset.old")

    def look(self, width, *, dark=False):
        """Take on a width, and a scheme of colours."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path):
        """Write a picture of the whole page."""
        done = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(done["data"]))

    def press(self, key, code, text=""):
        """Press a key and let it go."""
        keys = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **keys)
        self.send("Input.dispatchKeyEvent", type="keyUp", **keys)


@contextmanager
def browser() -> Iterator[Page]:
    """Start Chromium and yield a page; it ends with the context."""
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [_program(), *FLAGS, f"--user-data-dir={home}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = Path(home, "DevToolsActivePort")
            until = time.monotonic() + SECONDS
            while not (port.exists() and port.read_text().count("\n")):
                assert time.monotonic() < until, "chromium does not start"
                time.sleep(0.1)
            address = f"http://127.0.0.1:{port.read_text().split()[0]}/json/list"
            tabs = json.load(urllib.request.urlopen(address, timeout=SECONDS))
            (tab,) = [tab for tab in tabs if tab["type"] == "page"]
            with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
                page = Page(socket)
                page.send("Page.enable")
                yield page
        finally:
            process.terminate()
            process.wait(SECONDS)
