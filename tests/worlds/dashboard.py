"""The dashboard of a tenant: does what docs/auth0.md says about its fields, through the Management API.

A field or a value that is not known here is an error, so the page and this module cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.support.processes import ROOT
from tests.worlds.second_tenant import DATABASE, SecondTenant

API = {
    "JSON Web Token (JWT) Signing Algorithm": "signing_alg",
    "Name": "name",
    "Identifier": "identifier",
    "Token Settings > Maximum Access Token Lifetime": "token_lifetime",
}
SWITCHES = {
    "RBAC Settings > Enable RBAC": "enforce_policies",
    "Access Settings > Allow Offline Access": "allow_offline_access",
}
PERMISSIONS_IN_TOKEN = "RBAC Settings > Add Permissions in the Access Token"
DIALECTS = {"RFC 9068": "rfc9068_profile", "Auth0": "access_token"}
TYPES = {"Regular Web Application": "regular_web"}
GRANTS = {"Authorization Code": "authorization_code", "Refresh Token": "refresh_token"}
METHODS = {"Client Secret (Post)": "client_secret_post"}


class Dashboard:
    """Does with the Management API what sections 1 to 3 of docs/auth0.md say about the dashboard."""

    def __init__(self, tenant: SecondTenant, urls: Mapping[str, str]) -> None:
        self._tenant = tenant
        self._urls = urls

    def follow(self, text: str) -> dict[str, str]:
        """Returns the application."""
        sections = dict(re.findall(r"^### \d\. (.+?)$(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL))
        permissions = self._api(sections["The API"])
        application = self._application(sections["The application"])
        self._role(sections["Who may do what"], permissions)
        return application

    def _api(self, text: str) -> list[dict[str, str]]:
        rows = self._rows(text)
        dialect = DIALECTS[self._code(rows.pop("JSON Web Token (JWT) Profile"))]
        assert rows.pop("Application Access Policy > User-Delegated Access").startswith("no change")
        if rows.pop(PERMISSIONS_IN_TOKEN) == "on":
            dialect += "_authz"
        api: dict[str, object] = {"token_dialect": dialect}
        for name, shown in rows.items():
            if name in SWITCHES:
                assert shown.startswith("on"), name
                api[SWITCHES[name]] = True
            else:
                api[API[name]] = self._code(shown)
        api["token_lifetime"] = int(str(api["token_lifetime"]))
        names, listed = re.findall(r"`([^`]+)`", text.partition("In **Permissions**")[2])
        table = (ROOT / listed).read_text(encoding="utf-8")
        names = [names, *sorted(set(re.findall(r"`(\w+:\w+)`", table)) - {names})]
        self._tenant.dashboard("POST", "resource-servers", {**api, "scopes": [{"value": name} for name in names]})
        identifier = str(api["identifier"])
        return [{"permission_name": name, "resource_server_identifier": identifier} for name in names]

    def _application(self, text: str) -> dict[str, str]:
        kind = re.findall(r"\*\*([^*]+)\*\*", text.partition("**Create Application**")[2])[0]
        rows = self._rows(text)
        for name in ("Domain", "Client ID", "Client Secret"):
            assert rows.pop(name).startswith("the value for `AUTH0_")
        grants = re.findall(r"\*\*([^*]+)\*\*", rows.pop("Advanced Settings > Grant Types"))
        (method,) = re.findall(r"In \*\*Credentials\*\*.*?\*\*([^*]+)\*\*", text)
        body = {
            "name": "My agent",
            "app_type": TYPES[kind],
            "callbacks": [self._code(rows.pop("Allowed Callback URLs"))],
            "grant_types": [GRANTS[name] for name in grants],
            "token_endpoint_auth_method": METHODS[method],
            "oidc_conformant": True,
        }
        assert rows == {}
        made: dict[str, str] = self._tenant.dashboard("POST", "clients", body)
        assert "In **Connections**: the database of your users." in text
        (database,) = [one for one in self._tenant.dashboard("GET", "connections") if one["name"] == DATABASE]
        enabled = [{"client_id": made["client_id"], "status": True}]
        self._tenant.dashboard("PATCH", f"connections/{database['id']}/clients", enabled)
        return made

    def _role(self, text: str, permissions: list[dict[str, str]]) -> None:
        create, add, assign = re.findall(r"^\d\. (.+?)$", text, re.MULTILINE)
        assert "Add Permissions" in add
        assert "Assign Roles" in assign
        role = self._tenant.dashboard("POST", "roles", {"name": self._code(create)})
        self._tenant.dashboard("POST", f"roles/{role['id']}/permissions", {"permissions": permissions})
        (person,) = self._tenant.dashboard("GET", "users")
        self._tenant.dashboard("POST", f"users/{person['user_id']}/roles", {"roles": [role["id"]]})

    def _rows(self, text: str) -> dict[str, str]:
        """The tables of a section: the values by the field's English name."""
        rows = re.findall(r"^\| (\*\*.+?) \| (.+?) \|$", text, re.MULTILINE)
        return {re.sub(r"\*\*| \([^()]*[^\x00-\x7f][^()]*\)", "", field): shown for field, shown in rows}

    def _code(self, text: str) -> str:
        """The value in backticks, where a variable stands for its value."""
        shown = re.findall(r"`([^`]+)`", text)[0]
        return self._urls.get(shown, shown)
