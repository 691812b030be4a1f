"""Headless Chromium, driven by its DevTools protocol over pipes: no port, no library."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
Message = dict[str, Any]


class Chromium:
    """A browser with one page that can reach nothing but this machine.

    `requests` are the addresses that were asked for since the page was opened last; `said` what
    its console, its policy and its faults said meanwhile.
    """

    def __init__(self, profile: Path) -> None:
        assert BROWSER
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        self._popen = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash"),
                *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                *("--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                f"--user-data-dir={profile}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            pass_fds=[to_browser, from_browser],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.said: list[str] = []
        self._loaded = False

    def __enter__(self) -> Self:
        (page,) = [
            one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"
        ]
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Audits"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._write)  # at whose end it leaves
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        os.close(self._read)

    def look(self, width: int, height: int, *, dark: bool) -> None:
        """Sets the page's size, and which scheme of colours its reader prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Goes to an address and waits until it is loaded."""
        self.requests, self.said, self._loaded = [], [], False
        found = self.call("Page.navigate", url=url)
        assert "errorText" not in found, found
        self._until(lambda: self._loaded)

    def evaluate(self, script: str) -> Any:
        """What a script gives in the page; of a promise, what it comes to."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def screenshot(self, file: Path) -> None:
        """The whole page as a PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(found["data"]))

    def press(self, key: str) -> None:
        """Presses a key, such as Tab."""
        for kind in ("keyDown", "keyUp"):
            code = {"Tab": 9, "Enter": 13}[key]
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def call(self, method: str, **params: Any) -> Message:
        """Calls a method of the protocol; its result."""
        self._number += 1
        number = self._number
        message: Message = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answers: list[Message] = []
        self._until(lambda: bool(answers), answers.append, number)
        assert "error" not in answers[0], (method, answers[0]["error"])
        return answers[0]["result"]

    def _until(
        self,
        holds: Callable[[], bool],
        answer: Callable[[Message], None] = lambda _: None,
        number: int = 0,
        seconds: float = 60,
    ) -> None:
        end = time.monotonic() + seconds
        while not holds():
            left = end - time.monotonic()
            assert left > 0, f"the browser said nothing within {seconds} s"
            if not select.select([self._read], [], [], left)[0]:
                continue
            got = os.read(self._read, 2**20)
            assert got, "the browser has ended"
            *whole, self._rest = (self._rest + got).split(b"\0")
            for one in map(json.loads, whole):
                if one.get("id") == number:
                    answer(one)
                else:
                    self._note(one)

    def _note(self, event: Message) -> None:
        params = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded":
                self.said.append(params["entry"]["text"])
            case "Audits.issueAdded":
                self.said.append(json.dumps(params["issue"]))
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.said.append(json.dumps(params))
