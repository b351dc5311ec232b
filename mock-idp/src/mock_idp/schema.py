"""The JSON Schema of tenant.yaml, for editors; mock-idp/tenant.schema.json is its copy in the repository."""

from __future__ import annotations

import json
from typing import Any

from .tenantfile import TenantFile


def schema_text() -> str:
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


def schema() -> dict[str, Any]:
    """What the loader takes: our keys described, those of an export that change nothing allowed, all others refused."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TenantFile.model_json_schema(),
        "title": "tenant.yaml: an Auth0 tenant in the words of the Deploy CLI",
    }
