"""The organization of a sign-in: the page that asks for it, and the user's membership."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from ...errors import AuthorizationError
from ...explanations import Case
from ...pages.models import OrganizationChoice, OrganizationPage
from ...pages.rendering import render
from ...state.idp import Idp
from ...state.store import Session, Transaction
from ...tenant.merging import changed
from ...tenant.model import Client, Organization, User
from ...web.request import idp_of
from ..answers import redirect, with_error_pages
from ..organizations import REQUIRED, check_usable, joins_at_sign_in, not_a_member, organization_by_name
from .consent import client_and_api
from .transactions import find_transaction, signed_in, submitted


def must_choose(idp: Idp, transaction: Transaction, session: Session | None) -> bool:
    """Whether the person must choose an organization now: before the login without a session, after it with one.

    AuthorizationError if an organization is required and nobody can choose. A user with only one organization signs in
    to that one.
    """
    client, _ = client_and_api(idp, transaction.request)
    if transaction.request.organization is not None or client.organization_usage != "require":
        return False
    if client.organization_prompt == "no_prompt":
        raise AuthorizationError("invalid_request", REQUIRED, Case("organization_required", client=client.name))
    if client.organization_prompt == "pre_login_prompt":
        return True
    return session is not None and _must_pick(idp, transaction, client, session)


def check_membership(idp: Idp, transaction: Transaction, session: Session) -> None:
    """AuthorizationError if the user is not a member of the organization and does not become one by this sign-in."""
    organization = idp.tenant.organizations.get(transaction.request.organization or "")
    user = idp.tenant.users.get(session.user_id)
    if organization is None or user is None or organization.has_member(user):
        return
    client, _ = client_and_api(idp, transaction.request)
    if joins_at_sign_in(idp.tenant, client, organization):
        _add_member(idp, organization, user)
        return
    case = Case("organization_not_member", email=user.email, organization=organization.name)
    raise AuthorizationError("access_denied", not_a_member(user, organization), case)


@with_error_pages
async def show_organization(request: Request) -> Response:
    state, transaction = find_transaction(request, request.query_params.get("state"))
    return render(request, _page(request, state, transaction))


@with_error_pages
async def submit_organization(request: Request) -> Response:
    """POST /u/organization: the name that the person typed, or the organization that the person picked."""
    form, state, transaction = await submitted(request)
    idp = idp_of(request)
    client, _ = client_and_api(idp, transaction.request)
    if transaction.request.organization is not None or client.organization_usage != "require":
        return redirect(f"/authorize/resume?state={state}")
    organization = organization_by_name(idp.tenant, form.get("organization", ""))
    if organization is None or not _may_choose(request, idp, client, organization):
        return render(request, _page(request, state, transaction, failed=True), status=400)
    transaction.request = replace(transaction.request, organization=organization.org_id)
    return redirect(f"/authorize/resume?state={state}")


def _must_pick(idp: Idp, transaction: Transaction, client: Client, session: Session) -> bool:
    user = idp.tenant.users.get(session.user_id)
    joined = idp.tenant.organizations_of(user) if user is not None else []
    if not joined:
        description = "client requires organization membership, but user does not belong to any organization"
        raise AuthorizationError("invalid_request", description, Case("organization_none", client=client.name))
    if len(joined) > 1:
        return True
    check_usable(idp.tenant, client, joined[0])
    transaction.request = replace(transaction.request, organization=joined[0].org_id)
    return False


def _may_choose(request: Request, idp: Idp, client: Client, organization: Organization) -> bool:
    """Before the login any organization that the client can use; after it only one of the user's."""
    try:
        check_usable(idp.tenant, client, organization)
    except AuthorizationError:
        return False
    user = _signed_in(request) if client.organization_prompt == "post_login_prompt" else None
    return user is None or organization.has_member(user)


def _page(request: Request, state: str, transaction: Transaction, *, failed: bool = False) -> OrganizationPage:
    idp = idp_of(request)
    client, _ = client_and_api(idp, transaction.request)
    if client.organization_prompt == "post_login_prompt":
        offered = idp.tenant.organizations_of(_signed_in(request))
    else:
        offered = []
    return OrganizationPage(
        state=state,
        client_name=client.name,
        leads_to=transaction.request.redirect_uri,
        choices=[OrganizationChoice(each.name, each.display_name) for each in offered],
        known=[each.name for each in idp.tenant.organizations.values()],
        failed=failed,
    )


def _signed_in(request: Request) -> User:
    return idp_of(request).tenant.users[signed_in(request).user_id]


def _add_member(idp: Idp, organization: Organization, user: User) -> None:
    members = {email: list(roles) for email, roles in organization.members.items()}
    entry = {"id": organization.org_id, "members": {**members, user.email: []}}
    idp.configure(changed(idp.configuration, {}, {"organizations": {organization.name: entry}}))
