"""Opening the system's browser, or a private window of an installed browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

OpenBrowser = Callable[[str, Callable[[], None]], None]
"""Opens a URL without waiting. If that fails, it calls its second argument, possibly from another thread."""

_PRIVATE: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("--incognito", ("google-chrome", "google-chrome-stable", "chrome", "Google Chrome")),
    ("--incognito", ("chromium", "chromium-browser", "Chromium")),
    ("--private-window", ("firefox", "Firefox")),
    ("--inprivate", ("microsoft-edge", "microsoft-edge-stable", "msedge", "Microsoft Edge")),
)
"""The option for a private window, and the browser's names on Linux, Windows and macOS, in the order to try."""


def open_system_browser(url: str, failed: Callable[[], None]) -> None:
    """Open `url` with `webbrowser` (which uses $BROWSER), without a shell.

    It runs in a daemon thread, because `webbrowser` waits for the end of some browsers.
    """
    if urlsplit(url).scheme not in ("http", "https") or not has_screen():
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


def open_private_window(url: str, failed: Callable[[], None]) -> None:
    """Open `url` in a private window, so that no existing session is used and none is left behind.

    The first installed browser of Chrome, Chromium, Firefox and Edge is used, else the default browser.
    """
    command = private_window(url)
    if urlsplit(url).scheme not in ("http", "https") or not has_screen() or command is None:
        open_system_browser(url, failed)
        return
    try:
        subprocess.Popen(  # noqa: S603 - no shell, and the URL was checked
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        open_system_browser(url, failed)


def private_window(url: str) -> list[str] | None:
    """The command that opens a private window; None if none of the browsers is installed."""
    for option, names in _PRIVATE:
        program = next((found for name in names if (found := _program(name))), None)
        if program is not None:
            return [program, option, url]
    return None


def has_screen() -> bool:
    """Whether there is a screen. Without one, `webbrowser` would start a text browser in the terminal."""
    if os.environ.get("BROWSER") or sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _program(name: str) -> str | None:
    if sys.platform == "darwin":
        inside = Path(f"/Applications/{name}.app/Contents/MacOS/{name}")
        return str(inside) if inside.exists() else None
    if sys.platform == "win32":
        for folder in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
            for place in ("Google/Chrome/Application", "Mozilla Firefox", "Microsoft/Edge/Application"):
                program = Path(os.environ.get(folder, ""), place, f"{name}.exe")
                if program.exists():
                    return str(program)
    return shutil.which(name)
