"""Routes of the Management API with the scopes that they need. A caller needs one of them."""

from __future__ import annotations

from types import ModuleType

from starlette.routing import Route

from .access import Endpoint, protected


def route(method: str, path: str, endpoint: Endpoint, *scopes: str) -> Route:
    return Route(path, protected(endpoint, *scopes), methods=[method])


def collection(path: str, one: str, module: ModuleType, noun: str, *more_scopes: str) -> list[Route]:
    """The five usual calls of a collection. All modules here use the same function names for them."""
    calls = [
        ("GET", path, f"list_{noun}s", "read"),
        ("POST", path, f"create_{noun}", "create"),
        ("GET", f"{path}/{one}", f"show_{noun}", "read"),
        ("PATCH", f"{path}/{one}", f"update_{noun}", "update"),
        ("DELETE", f"{path}/{one}", f"delete_{noun}", "delete"),
    ]
    routes = []
    for method, address, name, action in calls:
        scopes = [f"{action}:{noun}s", *(scope for scope in more_scopes if scope.startswith(f"{action}:"))]
        # Deleting an entry that does not exist answers 204, except for a role.
        deletes = action == "delete" and noun != "role"
        routes.append(Route(address, protected(getattr(module, name), *scopes, deletes=deletes), methods=[method]))
    return routes
