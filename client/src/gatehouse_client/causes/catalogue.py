"""The one place of the texts: what each check looks at, what people see when it fails, why that is, how to fix it.

`gatehouse doctor` prints them, the sign-in's errors end with them, `docs/troubleshooting.md` is made from them.
Sources: Auth0's documentation as BEHAVIOURS.md of the offline tenant cites it; what is not established is in `unsure`.
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
        group: under which heading it stands.
        title: what is checked, in one line.
        symptoms: what a person sees when it is wrong.
        said: parts of what a tenant or a server answers in that case, in lower case; they lead here from an error.
        cause: why that is.
        advice: the fix in one sentence, for the end of an error message.
        dashboard, command, environment: the fix in Auth0's dashboard, with a command, in `.env`; empty where there is
            none.
        unsure: what of this is not established.
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
    # The server, as a client finds it.
    "server": Entry(
        SERVER,
        "The MCP server answers at MCP_PUBLIC_URL.",
        ("`… cannot be reached`", "`404`, or an answer that is not MCP"),
        "Nothing listens there, a proxy does not forward to it, or the path is another one.",
        "Start the server, or set MCP_PUBLIC_URL to where it is.",
        environment="MCP_PUBLIC_URL=https://your.host/mcp",
    ),
    "tls": Entry(
        SERVER,
        "The certificates of server and tenant are trusted by this machine.",
        ("`CERTIFICATE_VERIFY_FAILED`",),
        "The certificate has expired, is for another name, or is signed by an authority that this machine does not"
        " know, such as a company's proxy or the offline tenant's own.",
        "Trust the authority that signed the certificate, in server and agent, or renew it.",
        said=("certificate_verify_failed", "certificate verify failed"),
        environment="AUTH0_CA_FILE=/path/to/the/authority.pem",
    ),
    "challenge": Entry(
        SERVER,
        "A request without a token is answered with 401 and says where the server's metadata is.",
        ("The client does not sign in at all", "`asks for a sign-in but does not say where`"),
        "The server is not protected, or a proxy in front of it answers itself or drops the `WWW-Authenticate` header"
        " (RFC 9728, section 5.1).",
        "Let the proxy pass 401 answers and `WWW-Authenticate` through as they are.",
    ),
    "resource-metadata": Entry(
        SERVER,
        "The server's metadata names MCP_PUBLIC_URL as its resource, byte for byte.",
        ("`The metadata … is about …, not about …`",),
        "The server was told another public URL than the clients: http in place of https behind a proxy, another host"
        " name, a final slash.",
        "Give the server and its clients the same MCP_PUBLIC_URL, byte for byte.",
        environment="MCP_PUBLIC_URL=https://your.host/mcp  # the same for server and client",
    ),
    "authorization-server": Entry(
        SERVER,
        "The server's metadata names the tenant that the application belongs to, byte for byte.",
        ("`The server names the authorization server …, but the application (AUTH0_CLIENT_ID) belongs to …`",),
        "Server and client are set to different tenants, or to the same with and without the final slash.",
        "Give the server and its clients the same AUTH0_DOMAIN and AUTH0_ISSUER.",
        dashboard="Applications > Applications > the application > Settings > Domain",
        environment="AUTH0_DOMAIN=dev-xxxx.us.auth0.com\nAUTH0_ISSUER=  # empty: https://DOMAIN/",
    ),
    "clock": Entry(
        SERVER,
        "The clocks of this machine, the server and the tenant agree.",
        ("`The token was issued in the future`", "`The token has expired` right after the sign-in"),
        "A machine does not keep its time by NTP, or a virtual machine slept.",
        "Switch on time synchronisation (NTP) where the clock is wrong.",
        said=("issued in the future", "not valid yet", "token has expired"),
    ),
    # The tenant.
    "discovery": Entry(
        TENANT,
        "The tenant publishes its metadata.",
        ("`The authorization server … has no metadata`", "`… cannot be reached`"),
        "AUTH0_DOMAIN is misspelt or of another region, or this machine does not reach the internet.",
        "Set AUTH0_DOMAIN to the tenant's domain.",
        dashboard="Applications > Applications > the application > Settings > Domain",
        environment="AUTH0_DOMAIN=dev-xxxx.us.auth0.com",
    ),
    "issuer": Entry(
        TENANT,
        "The tenant names itself by the expected issuer, byte for byte.",
        ("`The metadata … is of the issuer …, not of …`", "`The token is not from …`"),
        "Auth0's issuer ends in a slash; or the tenant has a custom domain, and only one of its two names is"
        " configured.",
        "Set AUTH0_ISSUER to what the tenant's metadata says, with the final slash.",
        said=("the token is not from",),
        dashboard="Settings > Custom Domains (where the tenant has one)",
        environment="AUTH0_ISSUER=https://dev-xxxx.us.auth0.com/",
    ),
    "pkce": Entry(
        TENANT,
        "The tenant says that it supports PKCE with S256.",
        ("`… does not say that it supports PKCE with S256`",),
        "The issuer is not Auth0, or something between changes the metadata: Auth0's names S256.",
        "Set AUTH0_DOMAIN to the tenant's own domain.",
        environment="AUTH0_DOMAIN=dev-xxxx.us.auth0.com",
    ),
    "keys": Entry(
        TENANT,
        "The tenant publishes signing keys (JWKS) for RS256.",
        ("The server answers 503",),
        "The keys cannot be fetched, or none of them is for RS256.",
        "See the tenant's signing keys.",
        said=("signing keys cannot be had",),
        dashboard="Settings > Signing Keys",
    ),
    "management": Entry(
        TENANT,
        "The Management API tells what the tenant's own objects say. Neither agent nor server needs it.",
        ("`gatehouse doctor` leaves checks at – that the dashboard could answer",),
        "There are no credentials for it, the tenant does not accept them, or they are not for all that is to be read."
        " With them the other checks say more; it is only read.",
        "Set AUTH0_MGMT_CLIENT_ID and AUTH0_MGMT_CLIENT_SECRET (or AUTH0_MGMT_TOKEN) of an application that has the"
        " scopes read:clients, read:resource_servers, read:client_grants, read:connections, read:tenant_settings,"
        " read:users and read:roles.",
        dashboard="Applications > APIs > Auth0 Management API > Machine to Machine Applications",
        environment="AUTH0_MGMT_CLIENT_ID=…\nAUTH0_MGMT_CLIENT_SECRET=…",
    ),
    # The application, and the API that it asks for.
    "application": Entry(
        APPLICATION,
        "The tenant knows the application (AUTH0_CLIENT_ID).",
        ("A page with `Unknown client: …` in the browser",),
        "The Client ID is of another tenant or misspelt; or the client registered itself, and was deleted since; or it"
        " is a metadata document (OAUTH_CLIENT_METADATA_URL), which the tenant knows only when it was imported.",
        "Set AUTH0_CLIENT_ID to the application's Client ID; a client that registered itself does so anew with"
        " `gatehouse login --force`, a metadata document is to be imported.",
        said=("unknown client",),
        dashboard="Applications > Applications > the application > Settings > Client ID",
        command="auth0 apps list",
        environment="AUTH0_CLIENT_ID=…",
    ),
    "callback": Entry(
        APPLICATION,
        "The application allows the callback URL (OAUTH_CALLBACK_URI).",
        ("A page with `Callback URL mismatch.` in the browser",),
        "Callback URLs are compared character by character: scheme, host, port, path, final slash. `localhost` and"
        " `127.0.0.1` are different.",
        "Add OAUTH_CALLBACK_URI to the application's Allowed Callback URLs, byte for byte.",
        said=("callback url mismatch", "not in the list of allowed callback urls"),
        dashboard="Applications > Applications > the application > Settings > Allowed Callback URLs",
        command="auth0 apps update CLIENT_ID --callbacks http://localhost:5000/callback  # replaces the list",
        environment="OAUTH_CALLBACK_URI=http://localhost:5000/callback",
    ),
    "connection": Entry(
        APPLICATION,
        "A connection, that is a database of users, is enabled for the application.",
        ("`no connections enabled for the client`",),
        "Nobody can sign in to the application: no connection is enabled for it.",
        "Enable a connection for the application.",
        said=("no connections enabled",),
        dashboard="Applications > Applications > the application > Connections",
    ),
    "grant-types": Entry(
        APPLICATION,
        "The application may use the grant types that the way to sign in needs.",
        ("`unauthorized_client`: `Grant type '…' not allowed for the client.`",),
        "The grant types of an application depend on its type, and can be switched off one by one. Refresh Token is the"
        " one that is often missing; Device Code is for native applications only.",
        "Switch the grant type on: Applications > the application > Settings > Advanced Settings > Grant Types.",
        said=("not allowed for the client",),
        dashboard="Applications > Applications > the application > Settings > Advanced Settings > Grant Types",
    ),
    "credentials": Entry(
        APPLICATION,
        "The tenant accepts the application's credentials.",
        ("`invalid_client`, or 401 with `access_denied`: `Unauthorized`",),
        "AUTH0_CLIENT_SECRET is of another application, was rotated, or is set although the application has none (a"
        " native one); or the application authenticates in another way.",
        "Are AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET the application's?",
        said=("invalid_client", "access_denied: unauthorized"),
        dashboard="Applications > Applications > the application > Credentials",
        environment="AUTH0_CLIENT_SECRET=…  # empty for a native application",
        unsure="Whether a tenant answers 401 with invalid_client or with access_denied; both are understood.",
    ),
    "assertion": Entry(
        APPLICATION,
        "The assertion can be had, and the tenant accepts it (GATEHOUSE_SIGN_IN=assertion).",
        ("`invalid_grant` from the token endpoint, or a refusal of the enterprise's identity provider",),
        "The assertion has expired, is for another audience, or of an issuer that the tenant does not trust; or the ID"
        " token to get it for has expired.",
        "Get a new GATEHOUSE_ASSERTION or OAUTH_IDP_ID_TOKEN, and compare its `iss` and `aud` with what the tenant"
        " trusts.",
        environment="GATEHOUSE_ASSERTION_FILE=/path/to/the/token",
    ),
    "api": Entry(
        APPLICATION,
        "The tenant has an API with the Identifier AUTH0_AUDIENCE.",
        ("`access_denied`: `Service not found: …`",),
        "Auth0 compares identifiers byte by byte: a final slash, http in place of https, another port is another API."
        " An Identifier cannot be changed afterwards.",
        "AUTH0_AUDIENCE must be the Identifier of an API in the tenant, byte for byte.",
        said=("service not found",),
        dashboard="Applications > APIs > Create API > Identifier",
        command="auth0 apis list",
        environment="AUTH0_AUDIENCE=http://localhost:5555/mcp",
        unsure="That a tenant looks for the API before it looks for the person (`prompt=none`). The check first asks"
        " for an API that cannot exist, and says nothing about API, connection and client grant where the tenant does"
        " not mind.",
    ),
    "permissions": Entry(
        APPLICATION,
        "The API defines the permissions that the server asks for (REQUIRED_PERMISSION, `scopes_supported`).",
        ("`insufficient_scope`, whatever role the person has",),
        "Auth0 drops a scope that the API does not define, without a word; no role can have it.",
        "Add the missing permissions to the API.",
        dashboard="Applications > APIs > the API > Permissions > Add a Permission",
        command='auth0 api patch resource-servers/API_ID --data \'{"scopes":[{"value":"access:mcp"}]}\'  # all of them',
        unsure="Needs the Management API: a tenant does not tell a client what an API defines.",
    ),
    "client-grant": Entry(
        APPLICATION,
        "The application may ask for tokens of the API: for its users, or as a machine for itself.",
        (
            '`Client is not authorized to access resource server "…"`',
            "A machine: `Client has not been granted scopes: …`",
        ),
        "The API's access policy asks for a client grant, as it always does for machines, and the application has none,"
        " or one without the permission.",
        "Authorize the application for the API: Applications > APIs > the API > Application Access.",
        said=("not authorized to access", "has not been granted scopes"),
        dashboard="Applications > APIs > the API > Application Access > the application > Edit: User-Delegated Access"
        " (a machine: Client Access), Grant Access (the policy: Settings > Application Access Policy)",
        command='auth0 api post client-grants --data \'{"client_id":"…","audience":"…","scope":["access:mcp"],'
        '"subject_type":"user"}\'  # a machine: client',
    ),
    # What the stored sign-in tells.
    "token": Entry(
        SIGN_IN,
        "The access token is a JWT that the server can read.",
        ("`The token is encrypted and meant for the tenant's /userinfo: the client asked for no audience`",),
        "Where neither `audience` nor `resource` nor a default audience selects an API, Auth0 issues an opaque token"
        " that only the tenant can read.",
        "Set AUTH0_AUDIENCE to the API's Identifier, then sign in again with `gatehouse login --force`.",
        said=("meant for the tenant's /userinfo", "asked for no audience", "not a signed jwt"),
        dashboard="Settings > Advanced > Resource Parameter Compatibility Profile",
        environment="AUTH0_AUDIENCE=http://localhost:5555/mcp",
    ),
    "token-audience": Entry(
        SIGN_IN,
        "The access token is for this server's API (`aud`), and from this tenant (`iss`).",
        ("`The token is not for …`",),
        "The token was issued for another API, such as the tenant's default audience, or before AUTH0_AUDIENCE"
        " changed.",
        "Set AUTH0_AUDIENCE to the same Identifier for client and server, then sign in again with"
        " `gatehouse login --force`.",
        said=("the token is not for",),
        dashboard="Settings > General > API Authorization Settings > Default Audience",
        environment="AUTH0_AUDIENCE=http://localhost:5555/mcp",
    ),
    "token-algorithm": Entry(
        SIGN_IN,
        "The API signs its access tokens with RS256.",
        ("`Only RS256 signatures are accepted`",),
        "The API signs with HS256, that is with a secret: nobody who has only the published keys can verify such a"
        " token.",
        "Set the API's JSON Web Token Signing Algorithm to RS256, then sign in again with `gatehouse login --force`.",
        said=("signatures are accepted",),
        dashboard="Applications > APIs > the API > Settings > Token Settings > JSON Web Token (JWT) Signing Algorithm",
        environment="JWT_ALGORITHM=RS256  # the server's",
        unsure="Whether the algorithm of an API can be changed. A page of Auth0's documentation says that it cannot:"
        " then make the API anew.",
    ),
    "token-signature": Entry(
        SIGN_IN,
        "The access token is signed with one of the tenant's published keys.",
        (
            "`The token is signed with a key that the issuer does not publish`",
            "`The token's signature does not match`",
        ),
        "The tenant's keys were changed since the token was issued, and the old one was revoked; or the token is of"
        " another tenant.",
        "Sign in again with `gatehouse login --force`; if that does not help, give server and client the same tenant.",
        said=("key that the issuer does not publish", "signature does not match"),
        dashboard="Settings > Signing Keys",
        environment="AUTH0_DOMAIN=…  # both the same for server and client\nAUTH0_ISSUER=…",
    ),
    "rbac": Entry(
        SIGN_IN,
        "RBAC is on for the API, and the token says which permissions the person has.",
        ("Everybody who can sign in has every permission that they ask for",),
        "Without RBAC Auth0 grants each requested scope that the API defines, whoever asks. Without the `permissions`"
        " claim the server cannot see what the person's roles allow.",
        "Switch on Enable RBAC and Add Permissions in the Access Token for the API.",
        dashboard="Applications > APIs > the API > Settings > RBAC Settings: Enable RBAC, Add Permissions in the Access"
        " Token",
    ),
    "role": Entry(
        SIGN_IN,
        "The person has the permission that each call needs (REQUIRED_PERMISSION).",
        ("`insufficient_scope`: `The token lacks the permission …`", "Exit code 4"),
        "The person has no role with that permission, or the API does not define it.",
        "An administrator of the tenant can grant it; then run `gatehouse login --force`.",
        said=("insufficient_scope", "lacks the permission"),
        dashboard="User Management > Users > the user > Roles (a machine: Applications > APIs > the API > Application"
        " Access)",
        command="auth0 users roles assign USER_ID --roles ROLE_ID",
    ),
    "refresh-token": Entry(
        SIGN_IN,
        "The sign-in can be renewed without the person (refresh token).",
        ("The browser opens again each time the access token has run out",),
        "The API does not allow offline access, the application may not use the grant type Refresh Token, or the"
        " refresh token has expired or was revoked.",
        "Switch on Allow Offline Access for the API, then sign in again with `gatehouse login --force`.",
        said=("invalid refresh token",),
        dashboard="Applications > APIs > the API > Settings > Access Settings > Allow Offline Access",
    ),
    "hosts": Entry(
        SIGN_IN,
        "The server takes the host name and the origin that its clients use.",
        ("`421` (`Invalid Host header`)", "`403` (`Invalid Origin header`)"),
        "The server refuses host names that it does not know (DNS rebinding), and a proxy passes on another `Host` than"
        " the public one.",
        "Add the host to the server's MCP_ALLOWED_HOSTS, the origin to its MCP_ALLOWED_ORIGINS.",
        said=("invalid host header", "invalid origin header", "answered 421"),
        environment="MCP_ALLOWED_HOSTS=your.host\nMCP_ALLOWED_ORIGINS=https://your.host",
    ),
    "accepted": Entry(
        SIGN_IN,
        "The server accepts the access token.",
        ("`… refuses the token that was just issued`",),
        "Server and client are set to different tenants or APIs, or one of the checks above failed.",
        "Do the server and the application use the same tenant, and is AUTH0_AUDIENCE the API that the server wants?",
        environment="AUTH0_DOMAIN=…  # all three the same for server and client\nAUTH0_ISSUER=…\nAUTH0_AUDIENCE=…",
    ),
    # What a client meets that nobody prepared anything for.
    "resource-identifier": Entry(
        OTHERS,
        "AUTH0_AUDIENCE is the server's own URL, byte for byte.",
        ("Other MCP clients see `Service not found: …`, while `gatehouse` signs in",),
        "An MCP client asks for a token for the server's URL (`resource`, RFC 8707). Auth0 takes that for an API's"
        " Identifier, byte for byte.",
        "Create an API whose Identifier is MCP_PUBLIC_URL, and set AUTH0_AUDIENCE to it.",
        dashboard="Applications > APIs > Create API > Identifier",
        environment="AUTH0_AUDIENCE=http://localhost:5555/mcp  # as MCP_PUBLIC_URL",
    ),
    "resource-profile": Entry(
        OTHERS,
        "The tenant reads `resource`, the only name for the API that MCP clients send.",
        ("Other MCP clients sign in and then get 401: an opaque token, or one for the default audience",),
        "Without the compatibility profile Auth0 looks at `audience` only. MCP clients send `resource` (RFC 8707) and"
        " get a token for the tenant's default audience, or an opaque one.",
        "Switch on the Resource Parameter Compatibility Profile.",
        dashboard="Settings > Advanced > Resource Parameter Compatibility Profile",
        command='auth0 api patch tenants/settings --data \'{"resource_parameter_profile":"compatibility"}\'',
        unsure="The same as of the check `api`.",
    ),
    "registration": Entry(
        OTHERS,
        "An MCP client can register itself (Dynamic Client Registration).",
        ("Other MCP clients stop with `Registration failed`",),
        "Dynamic Client Registration is off, as in every new tenant. The metadata lists the endpoint all the same, so"
        " clients try it.",
        "Switch on Dynamic Client Registration, or give your users a Client ID to configure.",
        said=("dynamic client registration is not enabled", "registration is not enabled"),
        dashboard="Settings > Advanced > Dynamic Client Registration (OIDC)",
        command="auth0 tenant-settings update set flags.enable_dynamic_client_registration",
        unsure="What exactly a tenant answers when it is off: every answer but 400 and 201 is taken for that. If it is"
        " off on purpose: `gatehouse doctor --skip registration`.",
    ),
    "client-metadata": Entry(
        OTHERS,
        "An MCP client can bring its own metadata document in place of a registration (CIMD).",
        ("Clients without registration fall back to Dynamic Client Registration, or give up",),
        "Client ID Metadata Documents are off, as in every new tenant. They are optional, unless the agent's own Client"
        " ID is one (OAUTH_CLIENT_METADATA_URL).",
        "Switch on Client ID Metadata Document Registration.",
        dashboard="Settings > Advanced > Client ID Metadata Document Registration",
        command="auth0 api patch tenants/settings --data '{\"client_id_metadata_document_supported\":true}'",
        unsure="Under which name Auth0's metadata says it; the draft's, client_id_metadata_document_supported, is"
        " read.",
    ),
    "domain-connection": Entry(
        OTHERS,
        "People can sign in to clients that registered themselves: a connection is at the domain level.",
        ("Other MCP clients end on a page with `no connections enabled for the client`",),
        "Auth0 treats clients that register themselves as third-party ones. They see only connections that are promoted"
        " to the domain level.",
        "Promote a connection to the domain level.",
        dashboard="Authentication > Database > the connection > Settings > Promote Connection to Domain Level",
        command="auth0 api patch connections/con_… --data '{\"is_domain_connection\":true}'",
    ),
    "third-party-grant": Entry(
        OTHERS,
        "Clients that registered themselves may ask for tokens of the API.",
        ('Other MCP clients end on a page with `Client is not authorized to access resource server "…"`',),
        "Third-party clients always need a client grant; one default grant serves all of them.",
        "Give third-party clients a default grant for the API.",
        dashboard="Applications > APIs > the API > Settings > Default Permissions for Third Party Apps: User-Delegated"
        " Access, Authorized",
        command='auth0 api post client-grants --data \'{"default_for":"third_party_clients","audience":"…",'
        '"scope":["access:mcp"],"subject_type":"user"}\'',
    ),
}


def check_of(said: str) -> str | None:
    """The check that an answer of a tenant or a server leads to; None when it is not a known one."""
    text = said.casefold()
    return next((check for check, entry in ENTRIES.items() if any(part in text for part in entry.said)), None)


def advice_on(check: str) -> str:
    """The fix in one sentence, and where to read more."""
    return f"{ENTRIES[check].advice} (More: gatehouse doctor --explain {check})"


def advice(said: str, otherwise: str = "") -> str:
    """What to do about an answer of a tenant or a server, as the end of a message: with a space before it, or empty.

    Args:
        otherwise: what to say where the answer is not a known one.
    """
    check = check_of(said)
    told = advice_on(check) if check else otherwise
    return f" {told}" if told else ""
