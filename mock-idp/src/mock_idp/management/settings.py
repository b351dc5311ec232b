"""GET and PATCH /api/v2/tenants/settings."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..tenant.merging import changed, documents, merged
from ..tenant.tenant_file import TenantSection
from ..web.request import idp_of
from .access import needs
from .bodies import check, read_object
from .paging import shown_fields

READ_ONLY = frozenset({"sandbox_versions_available"})


@needs("read:tenant_settings")
async def show_settings(request: Request) -> Response:
    return JSONResponse(shown_fields(request, _shown(idp_of(request))))


@needs("update:tenant_settings")
async def change_settings(request: Request) -> Response:
    """Only the members that are sent; of `flags`, too."""
    idp = idp_of(request)
    body = await read_object(request, TenantSection, read_only=READ_ONLY)
    known = documents(idp.configuration)[0].get("tenant", {})
    check(TenantSection, merged(known, body))
    idp.configure(changed(idp.configuration, {"tenant": body}, {}))
    idp.log.add("sapi", "Update tenant settings")
    return JSONResponse(_shown(idp))


def _shown(idp: Idp) -> dict[str, object]:
    settings = idp.configuration.tenant_file.tenant.model_dump(mode="json", exclude_none=True)
    return {"enabled_locales": ["en"], **settings}
