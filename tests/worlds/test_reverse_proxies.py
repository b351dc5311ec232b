"""The examples in docs/examples, each in a real Caddy or nginx in front of a real stack.

The program comes from this machine. If it is not installed, and Docker answers, it comes from its image.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.free_ports import free_port
from tests.support.processes import wait_for_status
from tests.worlds.conftest import ROOT, RUNTIME
from tests.worlds.test_worlds import MakeWorld, holds, moved, of_page, value

EXAMPLES = ROOT / "docs" / "examples"
CADDYFILE = (EXAMPLES / "Caddyfile").read_text(encoding="utf-8")
PATH = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
IMAGES = {"caddy": "caddy:2", "nginx": "nginx:stable"}
NGINX = """\
pid {folder}/pid;
error_log stderr;
daemon off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/gatehouse.conf;
}}
"""


@pytest.mark.parametrize("program", IMAGES)
@pytest.mark.skipif(RUNTIME == "docker", reason="a world of the local runtime")
def test_a_path_prefix_behind_the_examples_proxy(world: MakeWorld, tmp_path: Path, program: str) -> None:
    port = free_port()
    url = f"http://localhost:{port}/gatehouse/mcp"
    text = moved(**of_page("Behind a reverse proxy", MCP_PUBLIC_URL=url))
    folder = tmp_path / "proxy"
    folder.mkdir()
    clone, upstream = world(text), int(value(text, "MCP_PORT"))
    with caddy(folder, port, upstream) if program == "caddy" else nginx(folder, port, upstream):
        wait_for_status(f"http://localhost:{port}/", 404)
        holds(clone, url)


@contextlib.contextmanager
def caddy(folder: Path, port: int, upstream: int, example: str = CADDYFILE, **more: str) -> Iterator[None]:
    """Caddy with the example, which reads the site and the server from variables.

    Args:
        more: further variables.
    """
    (folder / "Caddyfile").write_text(example, encoding="utf-8")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    variables = {
        "SITE": f"http://localhost:{port}",
        "GATEHOUSE": f"127.0.0.1:{upstream}",
        "CADDY_ADMIN": f"localhost:{free_port()}",
        "XDG_CONFIG_HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        **more,
    }
    with running(command, folder, variables):
        yield


@contextlib.contextmanager
def nginx(folder: Path, port: int, upstream: int) -> Iterator[None]:
    """nginx with the example, without its TLS."""
    lines = (EXAMPLES / "nginx.conf").read_text(encoding="utf-8").splitlines()
    example = "\n".join(line for line in lines if "ssl_certificate" not in line and "[::]" not in line)
    for shown, used in {
        "listen 443 ssl": f"listen 127.0.0.1:{port}",
        "server_name tools.example.com": "server_name localhost",
        "127.0.0.1:5555": f"127.0.0.1:{upstream}",
    }.items():
        assert shown in example
        example = example.replace(shown, used)
    (folder / "gatehouse.conf").write_text(example, encoding="utf-8")
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder), encoding="utf-8")
    with running(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"], folder, {}):
        yield


@contextlib.contextmanager
def running(command: list[str], folder: Path, variables: dict[str, str]) -> Iterator[None]:
    """Run a proxy, from this machine or from its image in the network of this machine."""
    name = command[0]
    program = shutil.which(name, path=PATH)
    if program is None:
        if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
            pytest.skip(f"{name} is not installed, and Docker does not answer")
        options = [f"--volume={folder}:{folder}", *(f"--env={key}={text}" for key, text in variables.items())]
        command = ["docker", "run", "--rm", "--init", "--network=host", *options, IMAGES[name], *command]
    else:
        command = [program, *command[1:]]
    with subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.terminate()
            _, said = process.communicate(timeout=30)
            print(said.decode(errors="replace"))
