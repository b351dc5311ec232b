"""The texts of all checks: what is checked, what people see if it fails, the cause, and the fix.

`gatehouse doctor` prints these texts, sign-in errors end with them, and `docs/troubleshooting.md` is generated from
them. Sources: Auth0's documentation, as cited in BEHAVIOURS.md of the offline tenant. `unsure` has what is not certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SERVER: Final = "Server"
TENANT: Final = "Tenant"
APPLICATION: Final = "Application"
SIGN_IN: Final = "Stored sign-in"
OTHERS: Final = "Other MCP clients"


@dataclass(frozen=True)
class Entry:
    """One check.

    Attributes:
        group: the heading of the check.
        title: what is checked, in one line.
        symptoms: what a person sees if the check fails.
        said: parts of the answers of a tenant or a server in that case, in lower case. They lead from an error to here.
        cause: why the check fails.
        advice: the fix in one sentence, for the end of an error message.
        dashboard, command, environment: the fix in Auth0's dashboard, with a command, in `.env`; empty if there is
            none. `<name>` stands for a value: the doctor puts the actual one there, and leaves out a line with a value
            that it does not know.
        unsure: which of these statements are not certain.
    """

    group: str
    title: str
    symptoms: tuple[str, ...]
    cause: str
    advice: str
    said: tuple[str, ...] = ()
    dashboard: str = ""
    command: str = ""
    environment: str = ""
    unsure: str = ""


ENTRIES: Final[Mapping[str, Entry]] = {
    # The server, as a client sees it.
    "server": Entry(
        SERVER,
        "The MCP server answers at MCP_PUBLIC_URL.",
        ("`… cannot be reached`", "`404`, or an answer that is not MCP"),
        "No server listens at this URL, a proxy does not forward to it, or the path is wrong.",
        "Start the server, or set MCP_PUBLIC_URL to the server's URL.",
        environment="MCP_PUBLIC_URL=<resource>",
    ),
    "tls": Entry(
        SERVER,
        "This machine trusts the certificates of the server and the tenant.",
        ("`CERTIFICATE_VERIFY_FAILED`",),
        "The certificate has expired, is for another name, or is signed by an authority that this machine does not"
        " know, such as a company's proxy or the offline tenant.",
        "Set AUTH0_CA_FILE, in the server and the agent, to a file with the certificate of the authority that signed"
        " the certificate. Or renew the certificate.",
        said=("certificate_verify_failed", "certificate verify failed"),
    ),
    "challenge": Entry(
        SERVER,
        "The server answers a request without a token with 401, and names the URL of its metadata.",
        ("The client does not sign in at all", "`asks for a sign-in but does not say where`"),
        "The server is not protected, or a proxy in front of it answers the request or drops the `WWW-Authenticate`"
        " header (RFC 9728, section 5.1).",
        "Configure the proxy to pass 401 answers and `WWW-Authenticate` unchanged.",
    ),
    "required-permission": Entry(
        SERVER,
        "The server requires the permission that the client's settings name (REQUIRED_PERMISSION).",
        ("`insufficient_scope`, although the person has the permission of REQUIRED_PERMISSION",),
        "The server and the client have different values of REQUIRED_PERMISSION.",
        "Give the server and its clients the same REQUIRED_PERMISSION, a permission of the API.",
        environment="REQUIRED_PERMISSION=<needed>  # in the client\nREQUIRED_PERMISSION=<believed>  # or in the server",
    ),
    "resource-metadata": Entry(
        SERVER,
        "The server's metadata names MCP_PUBLIC_URL as its resource, byte for byte.",
        ("`The metadata … is about …, not about …`",),
        "The server and its clients have different public URLs: http instead of https behind a proxy, another host"
        " name, or a final slash.",
        "Give the server and its clients the same MCP_PUBLIC_URL, byte for byte.",
        environment="MCP_PUBLIC_URL=<resource>  # the same in the server and the client",
    ),
    "authorization-server": Entry(
        SERVER,
        "The server's metadata names the tenant that the application belongs to, byte for byte.",
        ("`The server names the authorization server …, but the application (AUTH0_CLIENT_ID) belongs to …`",),
        "The server and the client are set to different tenants, or to the same tenant with and without the final"
        " slash.",
        "Give the server and its clients the same AUTH0_DOMAIN and AUTH0_ISSUER.",
        dashboard="Applications > Applications > the application > Settings > Domain",
        environment="AUTH0_ISSUER=<issuer>  # the same in the server and the client",
    ),
    "clock": Entry(
        SERVER,
        "The clocks of this machine, the server and the tenant agree.",
        ("`The token was issued in the future`", "`The token has expired` right after the sign-in"),
        "A machine does not synchronise its clock (NTP), or a virtual machine was suspended.",
        "Switch on time synchronisation (NTP) on the machine whose clock is wrong.",
        said=("issued in the future", "not valid yet", "token has expired"),
    ),
    # The tenant.
    "discovery": Entry(
        TENANT,
        "The tenant publishes its metadata.",
        ("`The authorization server … has no metadata`", "`… cannot be reached`"),
        "AUTH0_DOMAIN is misspelt or has the wrong region, or this machine has no access to the internet.",
        "Set AUTH0_DOMAIN to the tenant's domain.",
        dashboard="Applications > Applications > the application > Settings > Domain",
        environment="AUTH0_ISSUER=<issuer>",
    ),
    "issuer": Entry(
        TENANT,
        "The tenant's issuer is the expected one, byte for byte.",
        ("`The metadata … is of the issuer …, not of …`", "`The token is not from …`"),
        "The final slash of Auth0's issuer is missing; or the tenant has a custom domain, and the two domains are"
        " mixed.",
        "Set AUTH0_ISSUER to the issuer in the tenant's metadata, with the final slash.",
        said=("the token is not from", "the token's issuer differs"),
        dashboard="Settings > Custom Domains (if the tenant has one)",
        environment="AUTH0_ISSUER=<issuer>",
    ),
    "pkce": Entry(
        TENANT,
        "The tenant's metadata says that it supports PKCE with S256.",
        ("`… does not say that it supports PKCE with S256`", "`… does not say whether it supports PKCE`"),
        "The issuer is not Auth0, or a proxy changes the metadata. Auth0's own metadata has S256.",
        "Set AUTH0_DOMAIN to the tenant's own domain. For a provider that is not Auth0 see docs/providers.md.",
    ),
    "keys": Entry(
        TENANT,
        "The tenant publishes signing keys (JWKS) for the algorithm of its tokens.",
        ("The server answers 503",),
        "The keys cannot be fetched, or no key is for the algorithm that the server accepts (JWT_ALGORITHM).",
        "Check the tenant's signing keys: at least one must be for the algorithm that the server accepts"
        " (JWT_ALGORITHM, RS256 if it is not set).",
        said=("signing keys cannot be had",),
        dashboard="Settings > Signing Keys",
    ),
    "management": Entry(
        TENANT,
        "The doctor can read the tenant's objects through the Management API. The agent and the server do not need it.",
        ("`gatehouse doctor` marks checks with – that the dashboard could answer",),
        "The credentials are not set, the tenant does not accept them, or they lack a scope. With the credentials the"
        " doctor reads the tenant's objects and changes nothing.",
        "Set AUTH0_MGMT_CLIENT_ID and AUTH0_MGMT_CLIENT_SECRET (or AUTH0_MGMT_TOKEN) of an application with the scopes"
        " read:clients, read:resource_servers, read:client_grants, read:connections, read:tenant_settings,"
        " read:users and read:roles.",
        dashboard="Applications > APIs > Auth0 Management API > Machine to Machine Applications",
        environment="AUTH0_MGMT_CLIENT_ID=<client_id>\nAUTH0_MGMT_CLIENT_SECRET=<client_secret>",
    ),
    # The application, and the API that it requests.
    "application": Entry(
        APPLICATION,
        "The tenant knows the application (AUTH0_CLIENT_ID).",
        ("A page with `Unknown client: …` in the browser",),
        "The Client ID is misspelt or belongs to another tenant; or the client registered itself and was deleted later;"
        " or the Client ID is a metadata document (OAUTH_CLIENT_METADATA_URL) that nobody imported into the tenant.",
        "Set AUTH0_CLIENT_ID to the application's Client ID. If the client registered itself, register again with"
        " `gatehouse login --force`. If it is a metadata document, import the document into the tenant.",
        said=("unknown client", "client not found", "aadsts700016", "invalid value for 'client_id'"),
        dashboard="Applications > Applications > the application > Settings > Client ID",
        command="auth0 apps list",
        environment="AUTH0_CLIENT_ID=<client_id>",
    ),
    "callback-port": Entry(
        APPLICATION,
        "The agent listens on the port of the callback URL (OAUTH_CALLBACK_PORT, OAUTH_CALLBACK_URI).",
        ("After the sign-in, the browser cannot connect to `localhost`, and `gatehouse login` waits",),
        "OAUTH_CALLBACK_PORT is not the port of OAUTH_CALLBACK_URI, and nothing forwards from one to the other.",
        "Set OAUTH_CALLBACK_PORT to the port of OAUTH_CALLBACK_URI; or remove OAUTH_CALLBACK_PORT.",
        environment="OAUTH_CALLBACK_PORT=<callback_port>",
    ),
    "callback": Entry(
        APPLICATION,
        "The application allows the callback URL (OAUTH_CALLBACK_URI).",
        ("A page with `Callback URL mismatch.` in the browser",),
        "Auth0 compares callback URLs character by character: scheme, host, port, path and final slash. `localhost` and"
        " `127.0.0.1` are different.",
        "Add OAUTH_CALLBACK_URI to the application's Allowed Callback URLs, byte for byte.",
        said=(
            *("callback url mismatch", "not in the list of allowed callback urls"),
            *("invalid parameter: redirect_uri", "redirect_uri_mismatch", "aadsts50011"),  # Keycloak, Google, Entra
            *("redirect_uri did not match", "'redirect_uri' parameter must be"),  # node-oidc-provider, Okta
        ),
        dashboard="Applications > Applications > the application > Settings > Allowed Callback URLs",
        command="auth0 apps update '<client_id>' --callbacks '<callback>'  # replaces the list",
        environment="OAUTH_CALLBACK_URI=<allowed_callback>",
    ),
    "connection": Entry(
        APPLICATION,
        "A connection (a database of users) is enabled for the application.",
        ("`no connections enabled for the client`",),
        "No connection is enabled for the application, so nobody can sign in to it.",
        "Enable a connection for the application.",
        said=("no connections enabled",),
        dashboard="Applications > Applications > the application > Connections",
    ),
    "grant-types": Entry(
        APPLICATION,
        "The application may use the grant types that the sign-in needs.",
        ("`unauthorized_client`: `Grant type '…' not allowed for the client.`",),
        "A grant type is switched off, or it is not available for this type of application. Refresh Token is often"
        " missing; Device Code is only for native applications.",
        "Switch on the grant type: Applications > the application > Settings > Advanced Settings > Grant Types.",
        said=("not allowed for the client",),
        dashboard="Applications > Applications > the application > Settings > Advanced Settings > Grant Types",
    ),
    "credentials": Entry(
        APPLICATION,
        "The tenant accepts the application's credentials.",
        ("`invalid_client`, or 401 with `access_denied`: `Unauthorized`",),
        "AUTH0_CLIENT_SECRET belongs to another application, was rotated, or is set although the application has none"
        " (a native application); or the application uses another authentication method.",
        "Set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET to the values of the application.",
        said=("invalid_client", "access_denied: unauthorized", "aadsts7000215"),
        dashboard="Applications > Applications > the application > Credentials",
        environment="AUTH0_CLIENT_SECRET=<client_secret>  # empty for a native application",
        unsure="Whether a tenant answers 401 with invalid_client or with access_denied. The doctor accepts both.",
    ),
    "assertion": Entry(
        APPLICATION,
        "The agent has an assertion, and the tenant accepts it (GATEHOUSE_SIGN_IN=assertion).",
        ("`invalid_grant` from the token endpoint, or a refusal of the enterprise's identity provider",),
        "The assertion has expired, is for another audience, or is from an issuer that the tenant does not trust; or"
        " the ID token that is exchanged for the assertion has expired.",
        "Get a new GATEHOUSE_ASSERTION or OAUTH_IDP_ID_TOKEN, and compare its `iss` and `aud` with the values that the"
        " tenant trusts.",
        environment="GATEHOUSE_ASSERTION_FILE=<assertion_file>",
    ),
    "api": Entry(
        APPLICATION,
        "The tenant has an API with the Identifier AUTH0_AUDIENCE.",
        ("`access_denied`: `Service not found: …`", "`access_denied`: `Service not enabled within domain: …`"),
        "Auth0 compares Identifiers byte for byte: a final slash, http instead of https, or another port makes another"
        " API. The Identifier of an API cannot be changed.",
        "Set AUTH0_AUDIENCE to the Identifier of an API in the tenant, byte for byte.",
        said=("service not found", "service not enabled within domain"),
        dashboard="Applications > APIs > Create API > Identifier",
        command="auth0 apis list",
        environment="AUTH0_AUDIENCE=<audience>",
        unsure="Whether a tenant checks the API before the sign-in (`prompt=none`). The doctor first requests an API"
        " that does not exist. If the tenant does not refuse it, API, connection and client grant are marked as not"
        " checked.",
    ),
    "scopes": Entry(
        APPLICATION,
        "The tenant knows the scopes that the server asks for.",
        ("`invalid_scope`", "`AADSTS650053`, `AADSTS9010010` (Microsoft Entra)"),
        "The provider refuses a scope that it does not know, or that the client may not request. Roles are no scopes,"
        " and some providers know a scope only with a prefix.",
        "Set OIDC_PROFILE of the server to the provider's, and GRANT_CLAIM and SCOPE_PREFIX if its permissions are"
        " elsewhere or have another form; or create the scopes at the provider, and assign them to the client.",
        said=("invalid_scope", "aadsts650053", "aadsts9010010", "aadsts70011"),
    ),
    "permissions": Entry(
        APPLICATION,
        "The API defines the permissions that the server requires (REQUIRED_PERMISSION, `scopes_supported`).",
        ("`insufficient_scope`, whatever role the person has",),
        "Auth0 ignores a scope that the API does not define, without an error. No role can have such a permission.",
        "Add the missing permissions to the API.",
        dashboard="Applications > APIs > the API > Permissions > Add a Permission",
        command="auth0 api patch 'resource-servers/<api_id>' --data '{\"scopes\":<scopes>}'  # all of them",
        unsure="This check needs the Management API: a tenant does not show a client the permissions of an API.",
    ),
    "client-grant": Entry(
        APPLICATION,
        "The application may request tokens for the API: for its users, or, as a machine, for itself.",
        (
            '`Client is not authorized to access resource server "…"`',
            "A machine: `Client has not been granted scopes: …`",
        ),
        "The API's access policy requires a client grant, as it always does for machines. The application has no client"
        " grant, or its client grant lacks the permission.",
        "Authorize the application for the API: Applications > APIs > the API > Application Access.",
        said=("not authorized to access", "has not been granted scopes"),
        dashboard="Applications > APIs > the API > Application Access > the application > Edit: User-Delegated Access"
        " (a machine: Client Access), Grant Access (the policy: Settings > Application Access Policy)",
        command='auth0 api post client-grants --data \'{"client_id":"<client_id>","audience":"<audience>",'
        '"scope":["<permission>"],"subject_type":"<subject_type>"}\'  # user; a machine: client',
    ),
    # The stored sign-in.
    "token": Entry(
        SIGN_IN,
        "The access token is a JWT that the server can read.",
        ("`The token is encrypted and meant for the tenant's /userinfo: the client asked for no audience`",),
        "No API was selected by `audience`, by `resource` or by a default audience. Then Auth0 issues an opaque token"
        " that only the tenant can read.",
        "Set AUTH0_AUDIENCE to the API's Identifier, then sign in again with `gatehouse login --force`.",
        said=("meant for the tenant's /userinfo", "asked for no audience", "not a signed jwt"),
        dashboard="Settings > Advanced > Resource Parameter Compatibility Profile",
        environment="AUTH0_AUDIENCE=<audience>",
    ),
    "token-audience": Entry(
        SIGN_IN,
        "The access token is for this server's API (`aud`) and from this tenant (`iss`).",
        ("`The token is not for …`",),
        "The token was issued for another API, such as the tenant's default audience, or before AUTH0_AUDIENCE"
        " changed.",
        "Set AUTH0_AUDIENCE to the same Identifier in the client and the server, then sign in again with"
        " `gatehouse login --force`.",
        said=("the token is not for", "the token's audience differs"),
        dashboard="Settings > General > API Authorization Settings > Default Audience",
        environment="AUTH0_AUDIENCE=<audience>",
    ),
    "token-algorithm": Entry(
        SIGN_IN,
        "The API signs its access tokens with a private key, in the algorithm that the server accepts (JWT_ALGORITHM).",
        ("`Only RS256 signatures are accepted`",),
        "The API signs with HS256, which uses a secret. The published keys cannot verify such a token. Or the server"
        " accepts another algorithm.",
        "Set the API's JSON Web Token Signing Algorithm to RS256, then sign in again with `gatehouse login --force`.",
        said=("signatures are accepted",),
        dashboard="Applications > APIs > the API > Settings > Token Settings > JSON Web Token (JWT) Signing Algorithm",
        unsure="Whether the algorithm of an API can be changed. A page of Auth0's documentation says that it cannot."
        " In that case, create a new API.",
    ),
    "token-signature": Entry(
        SIGN_IN,
        "The access token is signed with one of the tenant's published keys.",
        (
            "`The token is signed with a key that the issuer does not publish`",
            "`The token's signature does not match`",
        ),
        "The tenant changed its keys after it issued the token, and revoked the old key; or the token is from another"
        " tenant.",
        "Sign in again with `gatehouse login --force`; if that does not help, set the server and the client to the"
        " same tenant.",
        said=("key that the issuer does not publish", "signature does not match"),
        dashboard="Settings > Signing Keys",
        environment="AUTH0_ISSUER=<issuer>  # the same in the server and the client",
    ),
    "accepted": Entry(
        SIGN_IN,
        "The server accepts the access token.",
        ("`… refuses the token that was just issued`",),
        "The server and the client are set to different tenants or APIs, or one of the checks above failed.",
        "Set AUTH0_DOMAIN, AUTH0_ISSUER and AUTH0_AUDIENCE to the same values in the server and the client.",
        environment="AUTH0_ISSUER=<issuer>  # the same in the server and the client\n"
        "AUTH0_AUDIENCE=<audience>  # as well",
    ),
    "rbac": Entry(
        SIGN_IN,
        "RBAC is on for the API, and the token says which permissions the person has.",
        ("Everybody who can sign in gets every permission that they request",),
        "Without RBAC, Auth0 grants everybody each requested scope that the API defines. Without the `permissions`"
        " claim, the server cannot see which permissions the person's roles have.",
        "Switch on Enable RBAC and Add Permissions in the Access Token for the API.",
        dashboard="Applications > APIs > the API > Settings > RBAC Settings: Enable RBAC, Add Permissions in the Access"
        " Token",
    ),
    "role": Entry(
        SIGN_IN,
        "The person has the permission that each call needs (REQUIRED_PERMISSION).",
        ("`insufficient_scope`: `The token lacks the permission …`", "Exit code 4"),
        "The person has no role with that permission, or the API does not define it.",
        "Ask an administrator of the tenant to grant the permission, then run `gatehouse login --force`.",
        said=("insufficient_scope", "lacks the permission"),
        dashboard="User Management > Users > the user > Roles (a machine: Applications > APIs > the API > Application"
        " Access)",
        command="auth0 users roles assign '<user_id>'",
    ),
    "refresh-token": Entry(
        SIGN_IN,
        "The sign-in can be refreshed without the person (refresh token).",
        ("The browser opens again each time that the access token has expired",),
        "The API does not allow offline access, the application may not use the grant type Refresh Token, or the"
        " refresh token has expired or was revoked.",
        "Switch on Allow Offline Access for the API, then sign in again with `gatehouse login --force`.",
        said=("invalid refresh token",),
        dashboard="Applications > APIs > the API > Settings > Access Settings > Allow Offline Access",
    ),
    "hosts": Entry(
        SIGN_IN,
        "The server accepts the host name and the origin that its clients use.",
        ("`421` (`Invalid Host header`)", "`403` (`Invalid Origin header`)"),
        "The server refuses unknown host names as a protection against DNS rebinding. A proxy sends a `Host` header"
        " that is not the public host name.",
        "Add the host to MCP_ALLOWED_HOSTS of the server, and the origin to MCP_ALLOWED_ORIGINS.",
        said=("invalid host header", "invalid origin header", "answered 421"),
        environment="MCP_ALLOWED_HOSTS=<host>  # the server's\nMCP_ALLOWED_ORIGINS=<origin>  # the server's",
    ),
    # Clients that nobody registered in the tenant.
    "resource-identifier": Entry(
        OTHERS,
        "AUTH0_AUDIENCE is the server's own URL, byte for byte.",
        ("Other MCP clients see `Service not found: …`, while `gatehouse` signs in",),
        "An MCP client requests a token for the server's URL (`resource`, RFC 8707). Auth0 compares this URL with the"
        " Identifiers of the APIs, byte for byte.",
        "Create an API whose Identifier is MCP_PUBLIC_URL, and set AUTH0_AUDIENCE to it.",
        dashboard="Applications > APIs > Create API > Identifier",
        environment="AUTH0_AUDIENCE=<resource>",
    ),
    "resource-profile": Entry(
        OTHERS,
        "The tenant reads `resource`, the only parameter for the API that MCP clients send.",
        ("Other MCP clients sign in and then get 401: an opaque token, or one for the default audience",),
        "Without the compatibility profile, Auth0 reads only `audience`. MCP clients send `resource` (RFC 8707), so"
        " they get a token for the tenant's default audience, or an opaque token.",
        "Switch on the Resource Parameter Compatibility Profile.",
        dashboard="Settings > Advanced > Resource Parameter Compatibility Profile",
        command='auth0 api patch tenants/settings --data \'{"resource_parameter_profile":"compatibility"}\'',
        unsure="As for the check `api`.",
    ),
    "registration": Entry(
        OTHERS,
        "An MCP client can register itself (Dynamic Client Registration).",
        ("Other MCP clients stop with `Registration failed`",),
        "Dynamic Client Registration is off, as in every new tenant. The metadata still lists the endpoint, so clients"
        " try it.",
        "Switch on Dynamic Client Registration, or give your users a Client ID for their clients.",
        said=("dynamic client registration is not enabled", "registration is not enabled"),
        dashboard="Settings > Advanced > Dynamic Client Registration (OIDC)",
        command="auth0 tenant-settings update set flags.enable_dynamic_client_registration",
        unsure="What a tenant answers if registration is off. The doctor treats every answer except 400 and 201 as"
        " off.",
    ),
    "client-metadata": Entry(
        OTHERS,
        "An MCP client can use its own metadata document instead of a registration (CIMD).",
        ("Clients without registration fall back to Dynamic Client Registration, or give up",),
        "Client ID Metadata Documents are off, as in every new tenant. They are optional, unless the agent's Client"
        " ID is such a document (OAUTH_CLIENT_METADATA_URL).",
        "Switch on Client ID Metadata Document Registration.",
        dashboard="Settings > Advanced > Client ID Metadata Document Registration",
        command="auth0 api patch tenants/settings --data '{\"client_id_metadata_document_supported\":true}'",
        unsure="The name in Auth0's metadata. The doctor reads the draft's name,"
        " client_id_metadata_document_supported.",
    ),
    "domain-connection": Entry(
        OTHERS,
        "A connection is at the domain level, so people can sign in to clients that registered themselves.",
        ("Other MCP clients end on a page with `no connections enabled for the client`",),
        "Auth0 treats clients that register themselves as third-party clients. They can use only connections at the"
        " domain level.",
        "Promote a connection to the domain level.",
        dashboard="Authentication > Database > the connection > Settings > Promote Connection to Domain Level",
        command="auth0 api patch 'connections/<connection_id>' --data '{\"is_domain_connection\":true}'",
    ),
    "third-party-grant": Entry(
        OTHERS,
        "Clients that registered themselves may request tokens for the API.",
        ('Other MCP clients end on a page with `Client is not authorized to access resource server "…"`',),
        "Third-party clients always need a client grant. One default grant is enough for all of them.",
        "Give third-party clients a default grant for the API.",
        dashboard="Applications > APIs > the API > Settings > Default Permissions for Third Party Apps: User-Delegated"
        " Access, Authorized",
        command='auth0 api post client-grants --data \'{"default_for":"third_party_clients","audience":"<resource>",'
        '"scope":["<permission>"],"subject_type":"user"}\'',
    ),
}


_COMPLETE: Final = ("requestedaccesstokenversion", "client scope `basic`", "has to request the scope of the project")
"""Parts of the server's answers that name the setting at the provider themselves."""


def says_its_fix(said: str) -> bool:
    """Whether the answer of a server already says what to do."""
    return any(part in said.casefold() for part in _COMPLETE)


def check_of(said: str) -> str | None:
    """The check for an answer of a tenant or a server; None if the answer is unknown."""
    text = said.casefold()
    if says_its_fix(said):
        return None
    return next((check for check, entry in ENTRIES.items() if any(part in text for part in entry.said)), None)


def advice_on(check: str) -> str:
    """The fix in one sentence, and the command that explains more."""
    return f"{ENTRIES[check].advice} (More: gatehouse doctor --explain {check})"


def advice(said: str, otherwise: str = "") -> str:
    """The fix for an answer of a tenant or a server, for the end of a message: it begins with a space, or is empty.

    Args:
        otherwise: the text for an unknown answer.
    """
    check = check_of(said)
    text = advice_on(check) if check else "" if says_its_fix(said) else otherwise
    return f" {text}" if text else ""
