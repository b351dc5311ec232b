"""Permissions: an operation needs those that `requires` states, above or below the SDK's decorator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer

from gatehouse_server.auth.permissions import Hierarchy, declared, requires
from gatehouse_server.auth.verify.profiles import PROFILES
from tests.server.protected_server import ERAS, Era, ask, protected
from tests.server.server_with_permissions import READ, WRITE, shop
from tests.server.token_issuer import Issuer, settings

pytestmark = pytest.mark.anyio


def completion(**reference: str) -> dict[str, Any]:
    return {"ref": reference, "argument": {"name": "item", "value": ""}}


NEEDS_READ: dict[str, tuple[str, dict[str, Any]]] = {
    "a tool, stated below": ("tools/call", {"name": "below_tool"}),
    "a tool, stated above": ("tools/call", {"name": "above_tool"}),
    "a prompt, stated below": ("prompts/get", {"name": "below_prompt"}),
    "a prompt, stated above": ("prompts/get", {"name": "above_prompt"}),
    "a resource, stated below": ("resources/read", {"uri": "shop://below"}),
    "a resource, stated above": ("resources/read", {"uri": "shop://above"}),
    "a template's resource, stated below": ("resources/read", {"uri": "shop://below/1"}),
    "a template's resource, stated above": ("resources/read", {"uri": "shop://above/1"}),
    "completion for a prompt": ("completion/complete", completion(type="ref/prompt", name="above_prompt")),
    "completion for a template": ("completion/complete", completion(type="ref/resource", uri="shop://above/{item}")),
}


@pytest.mark.requirement("S11")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", NEEDS_READ)
async def test_the_declared_permission_is_necessary_and_sufficient_for(issuer: Issuer, name: str, era: Era) -> None:
    method, params = NEEDS_READ[name]
    async with protected(shop(), issuer.handle) as server:
        refusal = await ask(server, issuer.token(scope="access:mcp"), method, params, era=era)
        answer = await ask(server, issuer.token(scope=f"access:mcp {READ}"), method, params, era=era)
    assert refusal.status_code == 403, refusal.text
    assert f'scope="access:mcp {READ}"' in refusal.headers["WWW-Authenticate"]
    assert answer.status_code == 200, answer.text
    assert "result" in answer.json()


@pytest.mark.requirement("S11")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/subscribe", {"uri": "shop://above"}),
        ("resources/unsubscribe", {"uri": "shop://above/1"}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["shop://free", "shop://above/1"]}}),
    ],
)
async def test_a_subscription_needs_the_permissions_of_its_resource(
    issuer: Issuer, method: str, params: dict[str, Any]
) -> None:
    async with protected(shop(), issuer.handle) as server:
        refusal = await ask(server, issuer.token(), method, params)
    assert refusal.status_code == 403
    assert f'scope="access:mcp {READ}"' in refusal.headers["WWW-Authenticate"]


@pytest.mark.requirement("S9")
@pytest.mark.requirement("S10")
@pytest.mark.parametrize("scope", ["access:mcp", f"access:mcp {READ}", WRITE])
async def test_one_challenge_names_every_permission_of_the_operation(issuer: Issuer, scope: str) -> None:
    async with protected(shop(), issuer.handle) as server:
        refusal = await ask(server, issuer.token(scope=scope), "tools/call", {"name": "both_tool"})
    assert refusal.status_code == 403
    challenge = refusal.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert f'scope="access:mcp {READ} {WRITE}"' in challenge
    assert "resource_metadata=" in challenge


async def test_the_permission_of_a_tool_is_not_enough_without_the_base_permission(issuer: Issuer) -> None:
    async with protected(shop(), issuer.handle) as server:
        refusal = await ask(server, issuer.token(scope=READ), "tools/call", {"name": "below_tool"})
    assert refusal.status_code == 403


async def test_a_tool_that_is_added_at_runtime_is_protected(issuer: Issuer) -> None:
    mcp = shop()
    async with protected(mcp, issuer.handle) as server:

        @mcp.tool()
        @requires(WRITE)
        async def late_tool() -> str:
            return "late"

        refusal = await ask(server, issuer.token(), "tools/call", {"name": "late_tool"})
        metadata = await server.get("/.well-known/oauth-protected-resource/mcp")
    assert refusal.status_code == 403
    assert WRITE in metadata.json()["scopes_supported"]


async def test_overlapping_templates_need_all_their_permissions(issuer: Issuer) -> None:
    mcp = MCPServer("shop")

    @mcp.resource("shop://{shelf}/{item}")
    async def anything(shelf: str, item: str) -> str:
        return item

    @mcp.resource("shop://secret/{item}")
    @requires(READ)
    async def secret(item: str) -> str:
        return item

    async with protected(mcp, issuer.handle) as server:
        refusal = await ask(server, issuer.token(), "resources/read", {"uri": "shop://secret/1"})
        answer = await ask(server, issuer.token(), "resources/read", {"uri": "shop://open/1"})
    assert refusal.status_code == 403
    assert answer.status_code == 200


def _plain() -> str:
    return ""


class _Callable:
    @requires(READ)
    def __call__(self) -> str:
        return ""

    @requires(READ)
    def method(self) -> str:
        return ""


class _Unstated:
    def method(self) -> str:
        return ""


def _decorated(function: Callable[..., str]) -> Callable[..., str]:
    @wraps(function)
    def wrapper() -> str:
        return function()

    return wrapper


def _decorated_before(function: Callable[..., str]) -> Callable[..., str]:
    wrapper = _decorated(function)
    requires(READ)(function)
    return wrapper


SHAPES: dict[str, Callable[[], object]] = {
    "a function": lambda: requires(READ)(lambda: ""),
    "a decorated function": lambda: _decorated(requires(READ)(lambda: "")),
    "a function that was decorated before": lambda: _decorated_before(lambda: ""),
    "a decorated function twice": lambda: _decorated(_decorated_before(lambda: "")),
    "a partial function": lambda: partial(requires(READ)(lambda x: ""), 1),
    "a method": lambda: _Callable().method,
    "a method of an object": lambda: requires(READ)(_Unstated().method),
    "a callable object": _Callable,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_declared_permissions_are_found_on(shape: str) -> None:
    made = SHAPES[shape]()
    assert declared(made() if made is _Callable else made) == {READ}


def test_a_plain_function_and_none_have_no_declared_permissions() -> None:
    assert declared(_plain) == declared(None) == frozenset()


def test_several_declarations_are_combined() -> None:
    assert declared(requires(READ)(requires(WRITE)(lambda: ""))) == {READ, WRITE}


def test_a_wrapper_with_a_statement_of_its_own_does_not_hide_a_later_one_below() -> None:
    def function() -> str:
        return ""

    wrapper = requires(READ)(_decorated(function))
    requires(WRITE)(function)
    assert declared(wrapper) == {READ, WRITE}


@pytest.mark.requirement("S12")
@pytest.mark.parametrize("era", ERAS)
async def test_a_broad_permission_allows_what_it_implies(issuer: Issuer, era: Era) -> None:
    implies = {"shop:admin": [WRITE], WRITE: [READ], "everything": ["access:mcp", "shop:admin"]}
    async with protected(shop(), issuer.handle, implies=implies) as server:
        for scope in (f"access:mcp {WRITE}", "access:mcp shop:admin", "everything"):
            answer = await ask(server, issuer.token(scope=scope), "tools/call", {"name": "both_tool"}, era=era)
            assert answer.status_code == 200, scope
        narrow = await ask(
            server, issuer.token(scope=f"access:mcp {READ}"), "tools/call", {"name": "both_tool"}, era=era
        )
    assert narrow.status_code == 403


@pytest.mark.requirement("S12")
def test_a_hierarchy_may_be_deep_and_circular() -> None:
    chain = {f"p{number}": [f"p{number + 1}"] for number in range(2000)}
    assert len(Hierarchy(chain).expand(["p0"])) == 2001
    assert Hierarchy({"a": ["b"], "b": ["a"]}).expand(["a"]) == {"a", "b"}
    assert Hierarchy().expand(["a"]) == {"a"}


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"scope": "a b", "permissions": ["b", "c"]}, ["b", "c"]),
        ({"permissions": ["b"]}, ["b"]),
        ({"scope": "a"}, []),
        ({"scope": "a", "permissions": []}, []),
    ],
    ids=str,
)
def test_with_permissions_as_grant_claim_scope_is_ignored(claims: dict[str, Any], expected: list[str]) -> None:
    assert PROFILES["auth0"].with_grant_claims("permissions").granted(claims) == set(expected)


async def test_with_permissions_as_grant_claim_the_gate_ignores_scope(issuer: Issuer) -> None:
    config = settings(GRANT_CLAIM="permissions")
    call = ("tools/call", {"name": "below_tool"})
    async with protected(shop(), issuer.handle, config=config) as server:
        granting = await ask(server, issuer.token(scope=None, permissions=["access:mcp", READ]), *call)
        scope_only = await ask(server, issuer.token(scope=f"access:mcp {READ}"), *call)
    assert granting.status_code == 200, granting.text
    assert scope_only.status_code == 403


@pytest.mark.requirement("S13")
@pytest.mark.requirement("S14")
async def test_the_metadata_lists_exactly_the_needed_scopes(issuer: Issuer) -> None:
    async with protected(shop(), issuer.handle) as server:
        metadata = (await server.get("/.well-known/oauth-protected-resource/mcp")).json()
        challenge = (await server.post("/mcp", json={})).headers["WWW-Authenticate"]
    assert metadata["scopes_supported"] == ["access:mcp", READ, WRITE]
    assert "offline_access" not in challenge + str(metadata)
