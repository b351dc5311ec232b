"""The stack in its users' worlds. In each, `make demo` holds, doctor finds nothing wrong, a foreign client signs in.

`make worlds` runs these in the local runtime, and those that are marked `docker` in Docker as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.support.documents import blocks, the_block
from tests.support.free_ports import free_ports
from tests.support.prefix_proxy import prefix_proxy
from tests.support.stack import SCRIPTED_BROWSER
from tests.worlds.conftest import ROOT, RUNTIME, World

HOST = socket.gethostname()
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
ALICE = "auth0|65a11ce00000000000000001"
PORTS = ("MCP_PORT", "MOCK_IDP_PORT", "OAUTH_CALLBACK_PORT", "MOCK_IDP_TLS_PORT")
ARTICLE = """\
AUTH0_DOMAIN=localhost:{tenant}
AUTH0_CLIENT_ID=GatehouseAgentDemoClient00000000
AUTH0_CLIENT_SECRET=demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1
AUTH0_AUDIENCE=http://localhost:{mcp}/mcp
JWT_ALGORITHM=RS256
MCP_HOST=localhost
MCP_PORT={mcp}
OAUTH_CALLBACK_URI=http://localhost:{callback}/callback
OAUTH_CALLBACK_PORT={callback}
GEMINI_API_KEY=
"""
docker = pytest.mark.docker
MakeWorld = Callable[..., World]


@pytest.fixture(autouse=True)
def _only_marked_ones_in_docker(request: pytest.FixtureRequest) -> None:
    if RUNTIME == "docker" and request.node.get_closest_marker("docker") is None:
        pytest.skip("a world of the local runtime")


def env(**changes: str) -> str:
    """`.env.example` with variables added: the last line of a name counts."""
    return EXAMPLE + "".join(f"{name}={value}\n" for name, value in changes.items())


def moved(**changes: str) -> str:
    """The same on ports that are free."""
    return env(**{**dict(zip(PORTS, map(str, free_ports(4)), strict=True)), **changes})


def of_page(section: str, **changes: object) -> dict[str, str]:
    """The lines for `.env` in a section of docs/hosts.md, some of them with other values."""
    lines, *_ = (block.variables for block in blocks("docs/hosts.md", section) if block.is_env)
    assert set(changes) <= set(lines)
    return {**lines, **{name: str(value) for name, value in changes.items()}}


def holds(world: World, url: str) -> None:
    """`make up`, `make demo`, `make doctor`, and the SDK's client from outside."""
    up = world.stack("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert url in up.stdout
    demo = world.stack("demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "The end" in demo.stdout
    doctor = world.stack("client", "doctor", "--others", "--json")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    wrong = [check for check in json.loads(doctor.stdout)["checks"] if check["result"] == "wrong"]
    assert wrong == []
    assert foreign_client(world, url) == ALICE


def foreign_client(world: World, url: str) -> str:
    """Whom the server sees when the SDK's own client signs in."""
    trusted = {"SSL_CERT_FILE": str(world.authority)} if world.authority.exists() else {}
    command = [sys.executable, str(Path(__file__).with_name("sdk_client.py")), url]
    done = subprocess.run(
        command, env={**os.environ, **trusted}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def value(text: str, name: str) -> str:
    """What `.env` sets a variable to: its last line counts."""
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{name}=")][-1]


def test_the_default_ports(world: MakeWorld) -> None:
    holds(world(EXAMPLE), "http://localhost:5555/mcp")


@docker
def test_all_ports_moved(world: MakeWorld) -> None:
    text = env(**of_page("Ports", **dict(zip(PORTS, free_ports(4), strict=True))))
    holds(world(text), f"http://localhost:{value(text, 'MCP_PORT')}/mcp")


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_an_address_of_this_machine(world: MakeWorld, host: str, shown: str) -> None:
    text = moved(**of_page("An address of this machine", PUBLIC_HOST=host))
    holds(world(text), f"http://{shown}:{value(text, 'MCP_PORT')}/mcp")


@docker
def test_another_host_name_over_https(world: MakeWorld) -> None:
    text = moved(**of_page("A host name over https", PUBLIC_HOST=HOST))
    holds(world(text), f"https://{HOST}:{value(text, 'MCP_PORT')}/mcp")


@docker
def test_a_path_prefix_behind_a_reverse_proxy(world: MakeWorld) -> None:
    (port,) = free_ports(1)
    url = f"http://localhost:{port}/tools/mcp"
    text = moved(MCP_PUBLIC_URL=url)
    with prefix_proxy(port, "/tools", int(value(text, "MCP_PORT"))):
        holds(world(text), url)


def test_urls_that_another_program_forwards_over_https(world: MakeWorld) -> None:
    """As in GitHub Codespaces: server, tenant and callback have https URLs, and listen on this machine over http."""
    server, tenant = free_ports(2)
    text = moved(
        MCP_PUBLIC_URL=f"https://{HOST}:{server}/mcp",
        MOCK_IDP_PUBLIC_URL=f"https://{HOST}:{tenant}/",
        AUTH0_CA_FILE=".run/authority/ca.pem",
    )
    clone = world(text)
    clone.authority.parent.mkdir(parents=True)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(clone.authority)
    authority.issue_cert(HOST).configure_cert(context)
    with (
        prefix_proxy(server, "", int(value(text, "MCP_PORT")), context),
        prefix_proxy(tenant, "", int(value(text, "MOCK_IDP_PORT")), context),
    ):
        holds(clone, f"https://{HOST}:{server}/mcp")


def test_a_new_clone_installs_what_the_demo_needs_and_no_more(world: MakeWorld) -> None:
    clone = world(moved())
    demo = clone.stack("demo", STACK_VENV="")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Preparing .venv" in demo.stdout
    packages = {
        path.name.partition("-")[0] for path in (clone.folder / ".venv").glob("lib/python*/site-packages/*-info")
    }
    assert {"mcp", "honcho", "keyring", "prompt_toolkit"} <= packages
    others = {"openai", "anthropic", "langchain", "langchain_google_genai", "auth0_python", "opentelemetry_sdk"}
    assert not packages & {"pytest", "mypy", "ruff", *others}


@docker
def test_two_stacks_side_by_side(world: MakeWorld) -> None:
    texts = [moved(), moved()]
    first, second = (world(text, f"clone-{number}") for number, text in enumerate(texts))
    assert first.stack("up").returncode == 0
    holds(second, f"http://localhost:{value(texts[1], 'MCP_PORT')}/mcp")
    assert second.stack("down").returncode == 0
    holds(first, f"http://localhost:{value(texts[0], 'MCP_PORT')}/mcp")


def test_the_articles_env_with_only_its_credentials_changed(world: MakeWorld) -> None:
    mcp, tenant, callback = free_ports(3)
    text = ARTICLE.format(mcp=mcp, tenant=tenant, callback=callback) + f"MOCK_IDP_PORT={tenant}\n"
    clone = world(text)
    holds(clone, f"http://localhost:{mcp}/mcp")
    for line in the_block("docs/from-the-article.md", "Your `.env` stays", "sh").splitlines():
        done = clone.shell(line, BROWSER=SCRIPTED_BROWSER, ROBOT_USER="alice@example.com")
        assert done.returncode == 0, line + done.stdout + done.stderr


def test_a_folder_with_blanks_and_letters_of_other_languages(world: MakeWorld) -> None:
    text = moved()
    holds(world(text, "my tools, größer 東京"), f"http://localhost:{value(text, 'MCP_PORT')}/mcp")


CONTRADICTIONS = {
    "callback port and URI": (
        {"OAUTH_CALLBACK_URI": "http://localhost:5000/callback"},
        "OAUTH_CALLBACK_URI is http://localhost:5000/callback, and OAUTH_CALLBACK_PORT is",
    ),
    "audience and public URL": (
        {"AUTH0_AUDIENCE": "http://localhost:5555/mcp"},
        "AUTH0_AUDIENCE is http://localhost:5555/mcp, and MCP_PUBLIC_URL is",
    ),
    "a forwarded URL that is none": (
        {"MOCK_IDP_PUBLIC_URL": "login.example.com"},
        "MOCK_IDP_PUBLIC_URL is 'login.example.com': a URL is needed",
    ),
    "public URL and port": (
        {"MCP_PUBLIC_URL": "http://localhost:5555/mcp"},
        "MCP_PUBLIC_URL is http://localhost:5555/mcp, and MCP_PORT is",
    ),
    "host and public URL": (
        {"PUBLIC_HOST": "box.example", "MCP_PUBLIC_URL": "https://other.example/mcp"},
        "PUBLIC_HOST is box.example, and MCP_PUBLIC_URL is https://other.example/mcp",
    ),
    "a name that nobody knows": (
        {"PUBLIC_HOST": "box.invalid"},
        "PUBLIC_HOST is 'box.invalid': this machine does not know the name",
    ),
    "a port that is none": ({"MCP_PORT": "http"}, "MCP_PORT is 'http': a port number from 1 to 65535 is needed."),
}


@docker
@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_contradicts_itself_is_one_line_before_anything_starts(world: MakeWorld, case: str) -> None:
    changes, line = CONTRADICTIONS[case]
    refused = world(moved(**changes)).stack("up")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert refused.stderr.startswith(line)


@docker
def test_a_taken_port_is_one_line_with_its_program_and_the_line_for_env(world: MakeWorld) -> None:
    text = moved()
    port = int(value(text, "MCP_PORT"))
    with _taken(port):
        refused = world(text).stack("up")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert refused.stderr.startswith(f"Port {port} is in use by ")
    assert f"(process {os.getpid()})" in refused.stderr
    assert "set MCP_PORT=" in refused.stderr


def test_each_port_in_use_has_a_line_with_a_free_port_of_its_own(world: MakeWorld) -> None:
    text = moved()
    first, second = int(value(text, "MCP_PORT")), int(value(text, "MOCK_IDP_PORT"))
    with _taken(first), _taken(second):
        refused = world(text).stack("up")
    lines = refused.stderr.splitlines()
    assert [line.split(" is in use")[0] for line in lines] == [f"Port {first}", f"Port {second}"]
    suggested = [re.search(r"set [A-Z_]+=(\d+) in .env", line) for line in lines]
    assert len({match[1] for match in suggested if match}) == 2


def test_two_variables_with_one_port_are_one_line(world: MakeWorld) -> None:
    (port,) = free_ports(1)
    refused = world(moved(MCP_PORT=str(port), MOCK_IDP_PORT=str(port))).stack("up")
    assert refused.stderr.startswith(f"MCP_PORT is {port}, as another variable is: set MCP_PORT=")
    assert len(refused.stderr.splitlines()) == 1


def test_ports_auto_moves_what_is_taken_and_writes_it_down(world: MakeWorld) -> None:
    text = moved()
    port = int(value(text, "MCP_PORT"))
    clone = world(text)
    with _taken(port):
        up = clone.shell(the_block("docs/hosts.md", "Two stacks", "sh"))
        assert up.returncode == 0, up.stderr
    written = (clone.folder / ".env").read_text(encoding="utf-8")
    assert value(written, "MCP_PORT") != str(port)
    assert value(written, "MOCK_IDP_PORT") == value(text, "MOCK_IDP_PORT")
    assert f"http://localhost:{value(written, 'MCP_PORT')}/mcp" in up.stdout


def test_ports_auto_does_not_turn_the_offline_tenant_into_another_one(world: MakeWorld) -> None:
    text = moved()
    port = value(text, "MOCK_IDP_PORT")
    clone = world(f"{text}AUTH0_DOMAIN=localhost:{port}\n")
    with _taken(int(port)):
        refused = clone.stack("up", PORTS="auto")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert refused.stderr.startswith(f"Port {port} is in use, and AUTH0_DOMAIN or AUTH0_ISSUER names it. Remove both")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (EXAMPLE.encode("utf-16"), "UTF-16"),
        (EXAMPLE.encode() + "# Größe\n".encode("latin-1"), "byte 0xf6"),
    ],
)
def test_an_env_file_that_is_not_utf8_is_one_line_in_every_program(world: MakeWorld, content: bytes, seen: str) -> None:
    clone = world("")
    (clone.folder / ".env").write_bytes(content)
    up = clone.stack("up")
    for program in ("gatehouse_server", "mock_idp", "gatehouse_client whoami"):
        done = subprocess.run(
            [sys.executable, "-m", *program.split()], cwd=clone.folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert ".env is not UTF-8 text: " in done.stderr
        assert seen in done.stderr
    assert (up.returncode, len(up.stderr.splitlines())) == (1, 1)
    assert seen in up.stderr


@contextlib.contextmanager
def _taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield
