"""The tenant's pages in a real browser: Chromium at /usr/bin/chromium or $CHROMIUM, controlled by playwright.

If one of them is missing, the tests are skipped with a message of one line. In CI (CI=true) they fail with it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from mock_idp.state.clock import Clock
from mock_idp.state.idp import Idp
from mock_idp.state.signing_keys import KeyRing, new_key_ring
from mock_idp.testing import offline_tenant

ROOT = Path(__file__).parents[2]
API = "http://localhost:5555/mcp"
AGENT = "GatehouseAgentDemoClient00000000"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

Edit = Callable[[dict[str, Any]], None]


def missing() -> str | None:
    """The missing requirement of the browser tests, in one line."""
    if find_spec("playwright") is None:
        return "browser tests need playwright: pip install -r tests/browser/requirements.in"
    if not Path(chromium()).is_file():
        return f"browser tests need Chromium: there is none at {chromium()}; install it or set CHROMIUM to its path"
    return None


def chromium() -> str:
    return os.environ.get("CHROMIUM") or "/usr/bin/chromium"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


@dataclass
class App:
    """The application. It answers every callback, or redirects the browser to `next_url`."""

    server: ThreadingHTTPServer
    next_url: str | None = None
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}"

    @property
    def callback(self) -> str:
        return f"{self.url}/callback"


@dataclass
class Site:
    """A running tenant and the application that uses it."""

    issuer: str
    idp: Idp
    app: App

    def authorize(self, **changes: str | None) -> str:
        parameters: dict[str, str | None] = {
            "client_id": AGENT,
            "response_type": "code",
            "redirect_uri": self.app.callback,
            "scope": "openid profile email offline_access access:mcp",
            "audience": API,
            "state": "s-1",
            "code_challenge": "c" * 43,
            "code_challenge_method": "S256",
            **changes,
        }
        sent = {name: value for name, value in parameters.items() if value is not None}
        return f"{self.issuer}authorize?{urlencode(sent)}"


@pytest.fixture(scope="session")
def keys() -> KeyRing:
    return new_key_ring("localhost", Clock().now())


Start = Callable[..., Site]


@pytest.fixture
def start(keys: KeyRing) -> Iterator[Start]:
    """Start a tenant on a free port. `change` edits the document of tenant.yaml, `offline` that of offline.yaml."""
    with ExitStack() as stack:

        def start(change: Edit | None = None, offline: Edit | None = None) -> Site:
            app = stack.enter_context(_application())
            files = _document("tenant.yaml"), _document("offline.yaml")
            files[0]["clients"][0]["callbacks"] = [app.callback]
            for document, edit in zip(files, (change, offline), strict=True):
                if edit is not None:
                    edit(document)
            running = stack.enter_context(offline_tenant(*files, keys=keys))
            return Site(running.issuer, running.idp, app)

        yield start


@pytest.fixture
def site(start: Start) -> Site:
    return start()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a window with its own cookies: `visit(url, locale=..., viewport=...)`."""
    contexts = []

    def visit(url: str, **options: Any) -> Any:
        context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "auth0" / name).read_text(encoding="utf-8"))
    return document


@contextmanager
def _application() -> Iterator[App]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Callback)
    app = App(server)
    server.app = app  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Callback(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        app = self.server.app  # type: ignore[attr-defined]
        app.requests.append(self.path)
        body = b"<!doctype html><title>Application</title><h1>Back in the application</h1>"
        self.send_response(302 if app.next_url else 200)
        if app.next_url:
            self.send_header("Location", app.next_url)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        self.path = f"{self.path}?{self.rfile.read(length).decode()}"
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass
