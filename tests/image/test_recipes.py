"""The recipes of mock-idp/RECIPES.md that need Docker."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from mock_idp.tenant.example import write_example
from tests.image.conftest import Run, docker
from tests.support import recipes


def get(url: str, ca_file: Path | None = None) -> Any:
    authorities = ssl.create_default_context(cafile=ca_file)
    with httpx2.Client(trust_env=False, verify=authorities, timeout=20) as client:
        return client.get(url).json()


def password_grant(url: str, user: str = "alice@example.com") -> Any:
    form = {
        "grant_type": "password",
        "client_id": "example-api-tests",
        "client_secret": "offline-secret-of-the-api-tests",
        "username": user,
        "password": "Wonderland-1",
        "audience": "https://api.example.com/",
        "scope": "openid read:items",
    }
    with httpx2.Client(trust_env=False, timeout=20) as client:
        return client.post(f"{url}oauth/token", data=form).json()


def docker_command(containing: str) -> str:
    (command,) = [each for each in recipes.commands("Docker") if each.startswith("docker run") and containing in each]
    return command


def test_docker_run_serves_the_example_and_becomes_healthy(run: Run) -> None:
    container = run(docker_command("127.0.0.1:9000:9000 mock-idp"))
    container.wait_until_healthy()
    url = f"http://localhost:{container.ports['9000']}/"
    assert get(f"{url}.well-known/openid-configuration")["issuer"] == "http://localhost:9000/"
    assert password_grant(url)["scope"] == "openid read:items"
    assert "the built-in example" in container.logs()


def test_an_image_whose_tenant_does_not_answer_is_not_healthy(run: Run) -> None:
    container = run(docker_command("127.0.0.1:9000:9000 mock-idp"))
    container.wait_until_healthy()
    command = ["docker", "exec", "-e", "MOCK_IDP_PORT=9001", container.name, "python", "-m", "mock_idp.healthcheck"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_another_port_needs_the_issuer_only(run: Run) -> None:
    container = run(docker_command("AUTH0_ISSUER"))
    container.wait_until_healthy()
    issuer = f"http://localhost:{container.ports['9100']}/"
    assert get(f"{issuer}.well-known/openid-configuration")["issuer"] == issuer
    assert password_grant(issuer)["scope"] == "openid read:items"


def test_the_container_serves_a_tenant_of_ones_own_over_https(run: Run, tmp_path: Path) -> None:
    for path in write_example(tmp_path):
        text = path.read_text(encoding="utf-8").replace("alice@example.com", "carol@example.com")
        path.write_text(text, encoding="utf-8")
    for path in (tmp_path, tmp_path / "auth0", *(tmp_path / "auth0").iterdir()):
        path.chmod(0o755)  # the tenant in the container is another user
    container = run(docker_command("MOCK_IDP_TLS_PORT").replace("./auth0", str(tmp_path / "auth0")))
    container.wait_until_healthy()
    assert password_grant(f"http://localhost:{container.ports['9000']}/", "carol@example.com")["access_token"]
    (copy,) = [each for each in recipes.commands("Docker") if each.startswith("docker cp")]
    docker("cp", copy.split()[2].replace("auth0:", f"{container.name}:"), str(tmp_path))
    secure = f"https://localhost:{container.ports['9443']}/"
    keys = get(f"{secure}.well-known/jwks.json", tmp_path / "ca.pem")
    assert keys["keys"]


def test_the_service_container_of_a_github_workflow_becomes_healthy(run: Run) -> None:
    (text,) = recipes.recipe("GitHub Actions").values()
    job = yaml.safe_load(text)["jobs"]["test"]
    service = job["services"]["auth0"]
    # The runner creates the container with these options, and waits until it is healthy.
    ports = " ".join(f"-p {port}" for port in service["ports"])
    container = run(f"docker run {ports} {service['options']} {service['image']}")
    container.wait_until_healthy()
    url = f"http://localhost:{container.ports['9000']}/"
    (issuer,) = [step["env"]["AUTH0_ISSUER"] for step in job["steps"] if "env" in step]
    assert get(f"{url}.well-known/openid-configuration")["issuer"] == issuer
    assert password_grant(url)["access_token"]


def test_the_recipe_of_testcontainers_passes(image: str, tmp_path: Path) -> None:
    python = os.environ.get("TESTCONTAINERS_PYTHON")
    if not python:
        pytest.fail("this test needs an environment with testcontainers: make e2e RUNTIME=docker", pytrace=False)
    recipes.write("Testcontainers for Python", tmp_path)
    # Its helper container, which removes others after a crash, is an image of the internet.
    variables = {"MOCK_IDP_IMAGE": image, "TESTCONTAINERS_RYUK_DISABLED": "true", "NO_PROXY": "localhost"}
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
