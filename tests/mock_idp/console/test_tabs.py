"""The tabs of the console, their filters, and the pages of long lists."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mock_idp.console.activity import MAX_SIGN_INS
from mock_idp.console.overview import MAX_SHOWN
from mock_idp.console.view import FILTERS, TABS

API = "http://localhost:5555/mcp"
HOSTILE = '"><script>alert(1)</script>'


def shown(tenant: Any, **query: str) -> str:
    answer = tenant.http.get("/", params=query)
    assert answer.status_code == 200
    return str(answer.text)


def titles(page: str) -> list[str]:
    found = re.findall(r"<summary>\s*<h3>(.*?)</h3>", page, re.DOTALL)
    return [html.unescape(re.sub("<[^>]+>", "", title)) for title in found]


def link(page: str, label: str) -> dict[str, str]:
    """The query of the link with this text."""
    found = re.search(rf'<a [^>]*href="([^"]+)"[^>]*>{label}', page)
    assert found is not None, label
    return dict(parse_qsl(urlsplit(html.unescape(found[1])).query))


@pytest.fixture
def busy(tenant: Any) -> Any:
    """alice signs in, bob is refused a callback, and the machine gets a token."""
    tenant.tokens()
    tenant.token(tenant.machine, grant_type="client_credentials", audience=API)
    bob = tenant.browser()
    bob.log_in(bob.authorize(), "bob@example.com", "wrong")
    tenant.authorize(client_id="nobody")
    return tenant


def test_each_tab_is_a_page_of_its_own_and_marked_as_the_present_one(tenant: Any) -> None:
    for tab in TABS:
        page = shown(tenant, tab=tab)
        current = re.findall(r'<a href="/\?tab=(\w+)[^"]*" aria-current="page">', page)
        assert current == [tab]
        assert page.count('<section class="card"') == (2 if tab == "settings" else 1)


@pytest.mark.parametrize("tab", ["", "nope", HOSTILE, "SIGN_INS"])
def test_an_unknown_tab_is_the_first_one(tenant: Any, tab: str) -> None:
    page = shown(tenant, tab=tab)
    assert "Nobody has signed in yet" in page
    assert "<script>alert" not in page


def test_sign_ins_are_filtered_by_application_user_outcome_and_text(busy: Any) -> None:
    assert len(titles(shown(busy))) == 4
    alice = "alice@example.com signs in to Gatehouse agent"
    bob = "bob@example.com signs in to Gatehouse agent"
    machine = "Gatehouse machine gets its own token, without a user"
    assert titles(shown(busy, client="Gatehouse agent")) == [bob, alice]
    assert titles(shown(busy, user="alice@example.com")) == [alice]
    assert titles(shown(busy, outcome="failed")) == ["A user signs in to nobody"]
    assert titles(shown(busy, text="CLIENT_CREDENTIALS")) == [machine]
    assert titles(shown(busy, text="unknown client")) == ["A user signs in to nobody"]
    assert titles(shown(busy, client="Gatehouse agent", outcome="worked")) == [alice]
    assert "Nothing matches these filters." in shown(busy, user="alice@example.com", outcome="failed")


def test_the_log_and_the_requests_are_filtered(busy: Any) -> None:
    log = shown(busy, tab="log", user="bob@example.com")
    assert "<code>fp</code>" in log
    assert "<code>s</code>" not in log
    failures = re.findall(r"<code>(\w+)</code></td>", shown(busy, tab="log", outcome="failed"))
    assert sorted(failures) == ["f", "fp"]
    requests = re.findall(r"<code>(\w+ /[^<]*)</code>", shown(busy, tab="requests", client="Gatehouse machine"))
    assert requests == ["POST /oauth/token"]
    assert "/oauth/token" not in shown(busy, tab="requests", outcome="failed")


@pytest.mark.parametrize(
    ("tab", "text", "found", "other"),
    [
        ("users", "ALICE", "alice@example.com", "bob@example.com"),
        ("clients", "machine", "Gatehouse machine", "GatehouseAgentDemo"),
        ("apis", "access:mcp", "Gatehouse MCP server", "nothing"),
        ("settings", "logout", "tenant.allowed_logout_urls", "tenant.session_lifetime"),
    ],
)
def test_the_configuration_is_filtered_by_text(tenant: Any, tab: str, text: str, found: str, other: str) -> None:
    page = shown(tenant, tab=tab, text=text)
    assert found in page
    assert other not in page


def test_the_filters_offer_what_there_is_and_keep_what_was_chosen(busy: Any) -> None:
    page = shown(busy, client="Gatehouse agent", text=HOSTILE, user="long@gone.example")
    options = re.findall(r'<option value="([^"]*)"( selected)?>', page)
    assert ("Gatehouse agent", " selected") in options
    assert ("Gatehouse machine", "") in options
    assert ("alice@example.com", "") in options
    assert ("long@gone.example", " selected") in options
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in page
    assert "<script>alert" not in page


def test_each_tab_has_exactly_its_filters(tenant: Any) -> None:
    for tab in TABS:
        names = set(re.findall(r'<(?:select|input) id="[^"]+" name="(\w+)"', shown(tenant, tab=tab)))
        assert names == set(FILTERS.get(tab, ()))


def test_a_tab_keeps_the_filters_that_it_also_has(busy: Any) -> None:
    page = shown(busy, client="Gatehouse agent", outcome="waiting", text="x")
    assert link(page, "Log") == {"tab": "log", "client": "Gatehouse agent", "text": "x", "ui_locales": "en"}
    assert link(page, "Users")["text"] == "x"
    assert link(page, "Connections") == {"tab": "connections", "ui_locales": "en"}
    assert link(page, "日本語")["outcome"] == "waiting"
    assert link(page, "Show all") == {"tab": "sign_ins", "ui_locales": "en"}


def test_a_long_list_has_pages(start: Any) -> None:
    def many(file: dict[str, Any]) -> None:
        file["users"] = [
            {"email": f"u{n:03}@example.com", "user_id": f"auth0|{n}", "password": "Password-1"}
            for n in range(2 * MAX_SHOWN + 1)
        ]

    tenant = start(offline=many)
    first = shown(tenant, tab="users")
    assert "u000@" in first
    assert f"u{MAX_SHOWN:03}@" not in first
    assert "page 1 of 3" in first
    second = shown(tenant, **link(first, "Next page"))
    assert f"u{MAX_SHOWN:03}@" in second
    assert link(second, "Previous page").get("page") is None
    last = shown(tenant, tab="users", page="9999")
    assert "page 3 of 3" in last
    assert "Next page" not in last
    for wrong in ("0", "-1", "x", "9" * 5000, "１"):
        assert "u000@" in shown(tenant, tab="users", page=wrong)
    assert "1 of 101" in shown(tenant, tab="users", text="u042@")


def test_the_pages_of_the_sign_ins_keep_the_filters(tenant: Any) -> None:
    for _ in range(MAX_SIGN_INS + 1):
        tenant.authorize(client_id="nobody")
    page = shown(tenant, outcome="failed")
    assert len(titles(page)) == MAX_SIGN_INS
    query = link(page, "Next page")
    assert query["outcome"] == "failed"
    assert len(titles(shown(tenant, **query))) == 1


def test_the_script_gets_the_same_view(busy: Any) -> None:
    answer = busy.http.get("/u/console/activity", params={"tab": "log", "user": "bob@example.com"})
    assert "<code>fp</code>" in answer.text
    assert "<code>s</code>" not in answer.text
    assert busy.http.get("/u/console/activity", params={"tab": "users"}).status_code == 404


def test_a_tab_of_the_configuration_says_how_many_entries_it_has(tenant: Any) -> None:
    page = shown(tenant)
    assert re.search(r'>Users <span class="count">2</span>', page)
    assert re.search(r'>Applications <span class="count">2</span>', page)


def test_what_is_not_played_is_grouped_by_section(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        file["logStreams"] = [{"name": "a"}]
        file["clients"][0].update(addons={"samlp": {"audience": "x"}}, mobile={"android": {"app": "x"}})

    page = shown(start(change), tab="not_played")
    assert re.findall("<h3>(.+)</h3>", page) == ["Whole sections", "<code>clients</code>"]
    assert "<li><code>logStreams</code></li>" in page
    assert "<li><code>clients[].addons</code></li>" in page


def test_long_names_are_cut_and_whole_in_a_title(start: Any) -> None:
    name = "N" * 100
    tenant = start(
        lambda file: file["roles"][0].update(name=name),
        lambda file: file["users"][0].update(roles=[name]),
    )
    assert f'<bdi title="{name}">{name[:59]}…</bdi>' in shown(tenant, tab="users")
