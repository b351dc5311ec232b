"""Opening the system's browser."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Callable
from urllib.parse import urlsplit

OpenBrowser = Callable[[str, Callable[[], None]], None]
"""Opens a URL without waiting; calls its second argument, maybe from another thread, when that did not work."""


def open_system_browser(url: str, failed: Callable[[], None]) -> None:
    """Open `url` with `webbrowser` (which honours $BROWSER), without a shell.

    It runs in a daemon thread: `webbrowser` waits for the end of some browsers, and the program must not.
    """
    if urlsplit(url).scheme not in ("http", "https") or not _has_screen():
        failed()
        return

    def run() -> None:
        try:
            opened = webbrowser.open(url)
        except (webbrowser.Error, OSError):
            opened = False
        if not opened:
            failed()

    threading.Thread(target=run, name="browser", daemon=True).start()


def _has_screen() -> bool:
    """Without a screen, `webbrowser` would start a text browser in the middle of the terminal's output."""
    if os.environ.get("BROWSER") or sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
