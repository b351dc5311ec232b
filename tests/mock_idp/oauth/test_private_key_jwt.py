from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

ISSUER = "http://localhost:9000/"
API = "http://localhost:5555/mcp"
MACHINE = "GatehouseMachineDemoClient000000"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return RSAKey.generate_key(2048)


@pytest.fixture
def tenant(start: Any, key: RSAKey) -> Any:
    pem = key.as_pem(private=False).decode()

    def change(file: dict[str, Any]) -> None:
        credential = {"credential_type": "public_key", "name": "key", "pem": pem, "alg": "RS256"}
        file["clients"][1]["client_authentication_methods"] = {"private_key_jwt": {"credentials": [credential]}}
        del file["clients"][1]["token_endpoint_auth_method"]

    return start(change)


def assertion(tenant: Any, key: RSAKey, *, alg: str = "RS256", **changes: Any) -> str:
    now = int(tenant.idp.clock.now())
    claims = {"iss": MACHINE, "sub": MACHINE, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": str(uuid4())}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode({"alg": alg}, claims, key, algorithms=[alg])


def ask(tenant: Any, token: str, **changes: Any) -> Any:
    form = {"grant_type": "client_credentials", "audience": API, "client_assertion_type": TYPE}
    return tenant.http.post("/oauth/token", data={**form, "client_assertion": token, **changes})


def test_a_signed_assertion_authenticates_the_client(tenant: Any, key: RSAKey) -> None:
    assert ask(tenant, assertion(tenant, key)).status_code == 200
    assert ask(tenant, assertion(tenant, key), client_id=MACHINE).status_code == 200


def test_an_assertion_can_be_used_once(tenant: Any, key: RSAKey) -> None:
    token = assertion(tenant, key)
    assert ask(tenant, token).status_code == 200
    assert ask(tenant, token).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "http://localhost:9000"},
        {"aud": "http://localhost:9000/oauth/token"},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": 99999999999},
        {"exp": True},
        {"exp": "soon"},
        {"iat": 99999999999},
        {"nbf": 99999999999},
        {"jti": None},
        {"jti": "x" * 65},
        {"sub": "nobody"},
        {"pad": "x" * 3000},
    ],
)
def test_an_assertion_outside_auth0s_rules_is_unauthorized(tenant: Any, key: RSAKey, changes: dict[str, Any]) -> None:
    response = ask(tenant, assertion(tenant, key, **changes))
    assert response.status_code == 401
    assert response.json() == {"error": "access_denied", "error_description": "Unauthorized"}


def test_another_key_or_another_algorithm_is_unauthorized(tenant: Any, key: RSAKey) -> None:
    assert ask(tenant, assertion(tenant, RSAKey.generate_key(2048))).status_code == 401
    assert ask(tenant, assertion(tenant, key, alg="PS256")).status_code == 401


def test_the_secret_of_such_a_client_is_refused(tenant: Any) -> None:
    response = tenant.token(tenant.machine, grant_type="client_credentials", audience=API)
    assert response.status_code == 401


def test_two_authentication_methods_at_once_are_refused(tenant: Any, key: RSAKey) -> None:
    assert ask(tenant, assertion(tenant, key), client_secret="x").status_code == 400
    assert ask(tenant, assertion(tenant, key), client_id="other").status_code == 400
    assert ask(tenant, assertion(tenant, key), client_assertion_type="x").status_code == 400


def test_the_token_endpoint_as_audience_is_a_switch(start: Any, key: RSAKey) -> None:
    pem = key.as_pem(private=False).decode()

    def offline(file: dict[str, Any]) -> None:
        file["clients"]["Gatehouse machine"]["public_key"] = pem
        file["behaviours"] = {"assertion_audience_token_endpoint": True}

    def change(file: dict[str, Any]) -> None:
        file["clients"][1]["client_authentication_methods"] = {"private_key_jwt": {"credentials": [{"id": "cred_1"}]}}

    tenant = start(change, offline)
    assert ask(tenant, assertion(tenant, key, aud=f"{ISSUER}oauth/token")).status_code == 200
