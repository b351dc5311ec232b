"""The swap to another tenant, as README and docs/auth0.md tell it, word for word: from an empty tenant over TLS."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.documents import the_block
from tests.support.free_ports import free_ports
from tests.support.stack import SCRIPTED_BROWSER
from tests.worlds.conftest import ROOT, RUNTIME, World
from tests.worlds.dashboard import Dashboard
from tests.worlds.second_tenant import MANAGER, PERSON, SecondTenant, second_tenant
from tests.worlds.test_worlds import MakeWorld, value

SECTION = "Your own Auth0 tenant"
PAGE = (ROOT / "docs" / "auth0.md").read_text(encoding="utf-8")
BY_HAND = PAGE.partition("\n## By hand\n")[2].partition("\n## ")[0]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
PORTS = ("MCP_PORT", "OAUTH_CALLBACK_PORT")

pytestmark = pytest.mark.skipif(RUNTIME == "docker", reason="a container cannot write .env")


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[SecondTenant]:
    with second_tenant(tmp_path / "tenant") as running:
        yield running


def blocks(text: str) -> list[list[str]]:
    """The lines of each block of shell or `.env`."""
    return [block.strip().splitlines() for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


def fresh(tenant: SecondTenant) -> str:
    """`.env` as `make` writes it, on free ports, and with the authority of the tenant, which is a private one."""
    ports = dict(zip(PORTS, free_ports(2), strict=True))
    more = {**ports, "AUTH0_CA_FILE": tenant.ca_file}
    return EXAMPLE + "".join(f"{name}={each}\n" for name, each in more.items())


def edited(world: World, lines: list[str], values: Mapping[str, str]) -> None:
    """Change the lines of `.env` as the document says, with the values that are `...` or an example there."""
    file = world.folder / ".env"
    text = file.read_text(encoding="utf-8")
    assert set(values) <= {line.partition("=")[0] for line in lines}
    for line in lines:
        name, _, shown = line.partition("=")
        text, count = re.subn(rf"^{name}=.*$", f"{name}={values.get(name, shown)}", text, flags=re.MULTILINE)
        assert count == 1, name
        assert values.get(name, shown) != "...", name
    file.write_text(text, encoding="utf-8")


def signs_in_and_calls(world: World, tenant: SecondTenant) -> None:
    """The person signs in, a tool answers, and nothing is wrong; neither is anything left to be done."""
    as_person = {"BROWSER": SCRIPTED_BROWSER, **tenant.browser}
    asked = world.shell('make ask Q="What time is it in Tokyo?"', **as_person)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "Asia/Tokyo" in asked.stdout
    examined = world.shell("make doctor", **as_person)
    assert examined.returncode == 0, examined.stdout + examined.stderr
    assert "✗" not in examined.stdout
    assert "✓ role" in examined.stdout


def test_by_command(world: MakeWorld, tenant: SecondTenant) -> None:
    text = fresh(tenant)
    clone = world(text)
    change = the_block("README.md", SECTION, "diff")
    for shown, used in {
        "+AUTH0_DOMAIN=dev-xxxx.us.auth0.com": tenant.domain,
        "+AUTH0_MGMT_CLIENT_ID=...": MANAGER["client_id"],
        "+AUTH0_MGMT_CLIENT_SECRET=...": MANAGER["client_secret"],
    }.items():
        assert shown in change
        change = change.replace(shown, f"{shown.partition('=')[0]}={used}")
    applied = clone.shell("git apply", typed=change)
    assert applied.returncode == 0, applied.stderr
    said = {}
    for line in the_block("README.md", SECTION, "sh").splitlines():
        done = clone.shell(line, typed="y\n")
        assert done.returncode == (2 if "tenant plan" in line else 0), line + done.stdout + done.stderr
        said[line] = done.stdout + done.stderr
    planned, applied, given, started = said.values()
    assert f"create\tAPI\thttp://localhost:{value(text, 'MCP_PORT')}/mcp" in planned
    assert "Nobody has it yet. Without it the server answers 403." in applied
    assert f"{PERSON['email']} has the role mcp-user." in given
    assert "Give the role" not in given
    assert f"https://{tenant.domain}/" in started
    assert "make demo" not in started
    assert "is in the role mcp-user, which somebody has" in started
    assert "✗" not in started
    assert "demo-secret" not in (clone.folder / ".env").read_text(encoding="utf-8")
    signs_in_and_calls(clone, tenant)
    assert clone.shell('make client DO="tenant plan"').returncode == 0
    removed = clone.shell('make client DO="tenant destroy"', typed="y\n")
    assert removed.returncode == 0, removed.stderr
    assert tenant.dashboard("GET", "roles") == []


def test_by_hand(world: MakeWorld, tenant: SecondTenant) -> None:
    text = fresh(tenant)
    clone = world(text)
    urls = {
        "MCP_PUBLIC_URL": f"http://localhost:{value(text, 'MCP_PORT')}/mcp",
        "OAUTH_CALLBACK_URI": f"http://localhost:{value(text, 'OAUTH_CALLBACK_PORT')}/callback",
    }
    application = Dashboard(tenant, urls).follow(BY_HAND)
    (settings,) = blocks(BY_HAND)
    known = {
        "AUTH0_DOMAIN": tenant.domain,
        "AUTH0_CLIENT_ID": application["client_id"],
        "AUTH0_CLIENT_SECRET": application["client_secret"],
    }
    edited(clone, settings, known)
    for line in re.findall(r"`(make [^`]+)`", BY_HAND.rpartition("```")[2]):
        done = clone.shell(line)
        assert done.returncode == 0, line + done.stdout + done.stderr
        assert "✗" not in done.stdout
    assert "nobody is signed in; whoever signs in needs the permission access:mcp" in done.stdout
    person = {"BROWSER": SCRIPTED_BROWSER, "AUTH0_CA_FILE": str(tenant.ca_file), **tenant.browser}
    for line in the_block("docs/auth0.md", "Check the tenant", "sh").splitlines():
        done = clone.shell(line, PATH=f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}", **person)
        assert done.returncode == 0, line + done.stdout + done.stderr
    assert "✓ role" in done.stdout
    signs_in_and_calls(clone, tenant)
    others = clone.shell('make doctor DO="--others --json"')
    assert others.returncode == 0, others.stderr
    lacking = {check["check"] for check in json.loads(others.stdout)["checks"] if check["result"] == "wrong"}
    assert lacking == {"resource-profile", "registration"}, "section 4 is for other people's clients"
