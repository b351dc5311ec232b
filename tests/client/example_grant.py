"""What a sign-in leaves behind, made up."""

from __future__ import annotations

from gatehouse_client.storage.grant import Grant

SERVER = "https://mcp.example/mcp"


def grant(**more: object) -> Grant:
    """A grant for SERVER, but for what is said otherwise."""
    values: dict[str, object] = {
        "server": SERVER,
        "resource": SERVER,
        "issuer": "https://tenant.example/",
        "client_id": "id",
        "token_endpoint": "https://tenant.example/oauth/token",
        "token_endpoint_auth_method": "none",
        "access_token": "acc3ss",
        "refresh_token": "r3fresh",
        "obtained_at": 1.0,
        **more,
    }
    return Grant.model_validate(values)
