"""Brute-force protection: a lock after too many wrong passwords in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mock_idp.tenant.loading import ConfigurationError
from tests.mock_idp.conftest import Harness
from tests.mock_idp.management.test_management import ALICE, DEPLOY, Management, as_client, refused
from tests.mock_idp.oauth.test_password import allow_passwords, ask

LOCKED = "Your account has been blocked after multiple consecutive login attempts."
DAY = 24 * 3600
Lock = Callable[..., Management]


@pytest.fixture
def lock(start: Callable[..., Harness]) -> Lock:
    def lock(options: dict[str, Any] | None = None, **settings: Any) -> Management:
        def change(file: dict[str, Any]) -> None:
            allow_passwords(file)
            if settings:
                file["attackProtection"] = {"bruteForceProtection": settings}
            if options is not None:
                file["databases"][0]["options"] = options
            file["clients"][0]["is_token_endpoint_ip_header_trusted"] = True

        tenant = start(change, offline=lambda file: file.update(management_clients=[DEPLOY]))
        return as_client(tenant, DEPLOY)

    return lock


def fail(tenant: Harness, times: int, **changes: Any) -> None:
    for _ in range(times):
        assert ask(tenant, password="wrong", **changes).json()["error"] == "invalid_grant"


def from_ip(tenant: Harness, ip: str, password: str = "Wonderland-1") -> int:
    form = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1], "grant_type": "password"}
    form |= {"username": "alice@example.com", "password": password}
    return int(tenant.http.post("/oauth/token", data=form, headers={"auth0-forwarded-for": ip}).status_code)


def test_after_ten_wrong_passwords_in_a_row_the_right_one_is_refused(lock: Lock) -> None:
    tenant = lock().tenant
    fail(tenant, 9)
    assert ask(tenant).status_code == 200
    fail(tenant, 10, username="ALICE@example.com ")
    answer = ask(tenant)
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_attempts")
    assert answer.json()["error_description"].startswith(LOCKED)
    assert "attackProtection.bruteForceProtection.max_attempts" in tenant.http.get("/").text
    assert ask(tenant, username="bob@example.com", password="Builder-2").status_code == 200


def test_the_login_page_says_so_and_what_to_do_offline(lock: Lock) -> None:
    tenant = lock(max_attempts=2).tenant
    page = tenant.authorize()
    for _ in range(2):
        assert tenant.log_in(page, password="wrong").status_code == 400
    locked = tenant.log_in(page)
    assert locked.status_code == 429
    assert LOCKED in locked.text.replace("&#39;", "'")
    assert "/api/v2/user-blocks" in locked.text
    assert [event.type for event in tenant.idp.log.events if event.type == "limit_wc"] == ["limit_wc"] * 2


def test_an_address_that_nobody_has_is_locked_like_any_other(lock: Lock) -> None:
    tenant = lock(max_attempts=2).tenant
    fail(tenant, 2, username="nobody@example.com")
    assert ask(tenant, username="nobody@example.com").status_code == 429


def test_the_lock_is_for_one_sender_unless_the_mode_counts_all_together(lock: Lock) -> None:
    tenant = lock(max_attempts=2).tenant
    for _ in range(2):
        from_ip(tenant, "203.0.113.1", "wrong")
    assert (from_ip(tenant, "203.0.113.1"), from_ip(tenant, "203.0.113.2")) == (429, 200)

    tenant = lock(max_attempts=2, mode="count_per_identifier").tenant
    for number in (1, 2):
        from_ip(tenant, f"203.0.113.{number}", "wrong")
    assert from_ip(tenant, "203.0.113.3") == 429


def test_a_client_that_is_not_trusted_cannot_choose_its_address(start: Callable[..., Harness]) -> None:
    def change(file: dict[str, Any]) -> None:
        allow_passwords(file)
        file["attackProtection"] = {"bruteForceProtection": {"max_attempts": 2}}

    tenant = start(change)
    for number in (1, 2):
        from_ip(tenant, f"203.0.113.{number}", "wrong")
    assert from_ip(tenant, "203.0.113.3") == 429


def test_senders_of_the_allowlist_are_never_locked(lock: Lock) -> None:
    tenant = lock(max_attempts=1, allowlist=["203.0.113.0/24", "2001:db8::/32"]).tenant
    for ip in ("203.0.113.9", "2001:db8::7", "198.51.100.1"):
        from_ip(tenant, ip, "wrong")
    assert [from_ip(tenant, ip) for ip in ("203.0.113.9", "2001:db8::7", "198.51.100.1")] == [200, 200, 429]


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (None, {"enabled": False}),
        ({"brute_force_protection": False}, {"max_attempts": 2}),
        (None, {"shields": ["user_notification"], "max_attempts": 2}),
    ],
    ids=["protection off", "database without it", "monitoring only"],
)
def test_without_the_protection_nobody_is_locked(
    lock: Lock, options: dict[str, Any] | None, settings: dict[str, Any]
) -> None:
    tenant = lock(options, **settings).tenant
    fail(tenant, 12)
    assert ask(tenant).status_code == 200


def test_monitoring_logs_what_it_would_have_blocked(lock: Lock) -> None:
    tenant = lock(shields=[], max_attempts=2).tenant
    fail(tenant, 2)
    (event,) = [event for event in tenant.idp.log.events if event.type == "limit_wc"]
    assert "only monitors" in str(event.details)


def test_the_lock_ends_thirty_days_after_the_last_wrong_password(lock: Lock) -> None:
    tenant = lock(max_attempts=2).tenant
    fail(tenant, 2)
    tenant.idp.clock.shift(30 * DAY - 1)
    assert ask(tenant).status_code == 429
    tenant.idp.clock.shift(30 * DAY + 1)
    assert ask(tenant).status_code == 200


def test_an_administrator_sees_and_removes_the_lock_by_address_or_by_user(lock: Lock) -> None:
    management = lock(max_attempts=2)
    for path, query in (("user-blocks", {"identifier": "Alice@example.com"}), (f"user-blocks/{ALICE}", {})):
        fail(management.tenant, 2)
        found = management("GET", path, **query).json()["blocked_for"]
        assert [(each["identifier"], each["ip"]) for each in found] == [("alice@example.com", "127.0.0.1")]
        assert management("DELETE", path, **query).status_code == 204
        assert management("GET", path, **query).json() == {"blocked_for": []}
        assert ask(management.tenant).status_code == 200


def test_only_locks_that_are_in_force_can_be_listed(lock: Lock) -> None:
    management = lock(max_attempts=1)
    fail(management.tenant, 1)
    asked = {"identifier": "alice@example.com", "consider_brute_force_enablement": "true"}
    assert len(management("GET", "user-blocks", **asked).json()["blocked_for"]) == 1
    management("PATCH", "attack-protection/brute-force-protection", {"enabled": False})
    assert management("GET", "user-blocks", **asked).json() == {"blocked_for": []}
    assert len(management("GET", "user-blocks", identifier="alice@example.com").json()["blocked_for"]) == 1


def test_a_raised_limit_and_a_new_password_also_end_the_lock(lock: Lock) -> None:
    management = lock(max_attempts=2)
    fail(management.tenant, 2)
    settings = management("PATCH", "attack-protection/brute-force-protection", {"max_attempts": 3}).json()
    assert settings == management("GET", "attack-protection/brute-force-protection").json()
    assert (settings["max_attempts"], settings["mode"]) == (3, "count_per_identifier_and_ip")
    fail(management.tenant, 1)
    assert ask(management.tenant).status_code == 429
    management("PATCH", f"users/{ALICE}", {"password": "Looking-Glass-2"})
    assert ask(management.tenant, password="Looking-Glass-2").status_code == 200


def test_wrong_requests_for_locks_are_refused(lock: Lock) -> None:
    management = lock()
    refused(management("GET", "user-blocks"), 400, "invalid_query_string")
    refused(management("DELETE", "user-blocks/auth0|nobody"), 404, "inexistent_user")
    refused(management("PATCH", "attack-protection/brute-force-protection", {"max_attempts": 101}), 400, "invalid_body")


def test_an_entry_of_the_allowlist_that_is_no_address_stops_the_start(lock: Lock) -> None:
    with pytest.raises(ConfigurationError, match="'office' is no IP address and no CIDR range"):
        lock(allowlist=["office"])


def test_an_endless_address_takes_no_memory(lock: Lock) -> None:
    tenant = lock(max_attempts=1).tenant
    fail(tenant, 2, username="a" * 30_000)
    assert tenant.idp.store.failed_logins.items() == []
