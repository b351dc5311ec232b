"""The files in docs/protect.md and the change in README.md, as a reader copies them."""

from __future__ import annotations

import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from gatehouse_server import BoundedHeaders
from gatehouse_server.auth.provider.keys import SigningKeys
from tests.server.adapters.test_hosts import result_of
from tests.server.protected_server import headers_of, message
from tests.server.token_issuer import JWKS_URL, Issuer
from tests.support.documents import the_block
from tests.support.processes import ROOT, environment_without_settings
from tests.support.recipes import write
from tests.support.serve_in_thread import serve_in_thread

PAGE = Path(__file__).parents[2] / "docs" / "protect.md"
THEIRS = """
from fastmcp import FastMCP

mcp = FastMCP("numbers")
mcp.tool(name="add")(lambda a, b: int(a) + int(b))
mcp.tool(name="drop")(lambda: "dropped")
asgi_app = mcp.http_app(path="/mcp", stateless_http=True)
"""


@pytest.fixture
def app(
    request: pytest.FixtureRequest, tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Starlette]:
    """The app in the section's `server.py`. Its tenant is the test's."""
    write(request.param, tmp_path, PAGE)
    (tmp_path / "their_package.py").write_text(THEIRS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with_the_keys_of(issuer, monkeypatch)
    try:
        yield import_module("server").app
    finally:
        for name in ("server", "their_package"):
            sys.modules.pop(name, None)


def with_the_keys_of(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the settings name the test's tenant, whose keys need no network."""

    def keys(*_: Any, **__: Any) -> SigningKeys:
        return SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle)))

    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    monkeypatch.setattr("gatehouse_server.composition.tenant_keys", keys)


@asynccontextmanager
async def client_of(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost:5555") as client,
    ):
        yield client


async def call(client: httpx2.AsyncClient, token: str | None, tool: str, path: str = "/mcp", **arguments: Any) -> Any:
    body = message("tools/call", {"name": tool, "arguments": arguments})
    return await client.post(path, headers=headers_of(body, "legacy", token), json=body)


SERVERS = ("Five lines", "FastMCP", "Low-level server", "Permissions in a file")


@pytest.mark.anyio
@pytest.mark.parametrize("app", SERVERS, indirect=True)
async def test_the_server_of_the_page_is_protected(app: Starlette, issuer: Issuer) -> None:
    async with client_of(app) as client:
        assert (await call(client, None, "add", a=1, b=2)).status_code == 401
        assert (await call(client, issuer.token(), "add", a=1, b=2)).status_code == 403
        answer = await call(client, issuer.token(scope="access:mcp numbers:add"), "add", a=1, b=2)
    assert "3" in str(result_of(answer)["content"])


@pytest.mark.anyio
@pytest.mark.parametrize("app", ["Permissions in a file"], indirect=True)
async def test_what_the_file_of_the_page_does_not_name_is_refused_and_what_it_implies_is_allowed(
    app: Starlette, issuer: Issuer
) -> None:
    async with client_of(app) as client:
        assert (await call(client, issuer.token(), "drop")).status_code == 403
        implied = await call(client, issuer.token(scope="access:mcp numbers:admin"), "add", a=1, b=2)
    assert result_of(implied)


@pytest.mark.anyio
@pytest.mark.parametrize("app", ["Under a prefix, beside other routes, several servers"], indirect=True)
async def test_the_servers_of_the_page_have_their_own_audiences_and_permissions(app: Starlette, issuer: Issuer) -> None:
    numbers, words = "http://localhost:5555/numbers/mcp", "http://localhost:5555/words/mcp"
    tokens = {
        "numbers": issuer.token(aud=numbers, scope="access:mcp numbers:add"),
        "words": issuer.token(aud=words, scope="words:use"),
    }
    async with client_of(app) as client:
        assert (await client.get("/")).text == "Everybody may read this."
        sums = [
            await call(client, tokens["numbers"], "add", path, a=1, b=2) for path in ("/numbers/mcp", "/numbers/mcp/")
        ]
        assert [result_of(each)["content"][0]["text"] for each in sums] == ["3", "3"]
        assert "HI" in str(result_of(await call(client, tokens["words"], "shout", "/words/mcp", word="hi")))
        for path, foreign in (("/words/mcp", tokens["numbers"]), ("/numbers/mcp", tokens["words"])):
            assert (await call(client, foreign, "add", path)).status_code == 401
        no_permission = await call(client, issuer.token(aud=words), "shout", "/words/mcp")
        assert no_permission.status_code == 403
        assert "/.well-known/oauth-protected-resource/words/mcp" in no_permission.headers["WWW-Authenticate"]
        for resource in (numbers, words):
            path = resource.removeprefix("http://localhost:5555")
            document = (await client.get(f"/.well-known/oauth-protected-resource{path}")).json()
            assert document["resource"] == resource
        assert (await client.get("/numbers/livez")).status_code == 200
        assert (await client.get("/.well-known/oauth-protected-resource")).status_code == 404


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nothing listens at {path}")


@contextmanager
def running(command: list[str], folder: Path, issuer_url: str, listens_at: Path) -> Iterator[httpx2.Client]:
    """A client of the program, which listens on the unix socket."""
    environment = environment_without_settings() | {
        "AUTH0_ISSUER": issuer_url,
        "MCP_PUBLIC_URL": "http://localhost:5555/mcp",
    }
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "Application startup complete" in line:
                break
        else:
            raise AssertionError(f"the program ended with {process.wait()}")
        _wait_for(listens_at)  # uvicorn says that before it listens
        transport = httpx2.HTTPTransport(uds=str(listens_at))
        with httpx2.Client(transport=transport, base_url="http://localhost:5555", timeout=20) as client:
            yield client
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize(
    ("section", "shown", "used"),
    [
        ("Five lines", "--port 5555", "--uds SOCKET"),
        ("Several processes, unix socket", "--workers 4 --uds /run/numbers.sock", "--workers 2 --uds SOCKET"),
    ],
)
def test_the_command_of_the_page_serves_its_server(
    section: str, shown: str, used: str, tmp_path: Path, issuer: Issuer
) -> None:
    write("Five lines", tmp_path, PAGE)
    path = tmp_path / "s"
    app = Starlette(routes=[Route("/.well-known/jwks.json", lambda _: JSONResponse(issuer.jwks()))])
    line = the_block("docs/protect.md", section, "sh").splitlines()[-1]
    assert line.endswith(shown)
    command = [sys.executable, "-m", *shlex.split(line.replace(shown, used).replace("SOCKET", str(path)))]
    with serve_in_thread(app) as origin, running(command, tmp_path, f"{origin}/", path) as client:
        body = message("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
        assert client.post("/mcp", headers=headers_of(body, "legacy", None), json=body).status_code == 401
        token = issuer.token(iss=f"{origin}/", scope="access:mcp numbers:add")
        answer = client.post("/mcp", headers=headers_of(body, "legacy", token), json=body)
    assert result_of(answer)["content"][0]["text"] == "3"


def test_the_program_of_the_page_bounds_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: configured.append(uvicorn.Config(app, **options)))
    write("Connections", tmp_path, PAGE)
    runpy.run_path(str(tmp_path / "run.py"))
    (config,) = configured
    monkeypatch.setattr(config, "app", Starlette())
    config.load()
    assert config.http_protocol_class is BoundedHeaders


def change(folder: Path, diff: str) -> None:
    subprocess.run(["git", "apply"], cwd=folder, input=diff, text=True, check=True)


@pytest.mark.anyio
async def test_the_change_of_the_readme_puts_the_gate_before_a_server(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = tmp_path / "docs" / "examples" / "numbers.py"
    example.parent.mkdir(parents=True)
    shutil.copy(ROOT / example.relative_to(tmp_path), example)
    unprotected = runpy.run_path(str(example))["app"]
    async with client_of(unprotected) as client:
        assert "3" in str(result_of(await call(client, None, "add", a=1, b=2))["content"])
    change(tmp_path, the_block("README.md", "Your own server", "diff"))
    with_the_keys_of(issuer, monkeypatch)
    async with client_of(runpy.run_path(str(example))["app"]) as client:
        assert (await call(client, None, "add", a=1, b=2)).status_code == 401
        assert (await call(client, issuer.token(), "add", a=1, b=2)).status_code == 403
        answer = await call(client, issuer.token(scope="access:mcp numbers:add"), "add", a=1, b=2)
    assert "3" in str(result_of(answer)["content"])
