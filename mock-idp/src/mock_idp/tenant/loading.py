"""Reading and checking tenant.yaml and offline.yaml."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ..formats.parsing import not_utf8
from .building import build_tenant
from .keywords import keyword_values, remaining_keywords, with_keywords
from .model import Tenant
from .offline_schema import OfflineFile
from .references import dangling_references
from .tenant_schema import TenantFile

# The loader in C is an order of magnitude faster. PyYAML may be built without it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Model = TypeVar("Model", bound=BaseModel)


class ConfigurationError(Exception):
    """The tenant's configuration cannot be used. `lines` has one line for each mistake: file, path in it, mistake."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class Configuration:
    """The content of tenant.yaml and offline.yaml."""

    tenant_file: TenantFile
    offline_file: OfflineFile

    def tenant(self) -> Tenant:
        return build_tenant(self.tenant_file, self.offline_file)


def load_configuration(
    tenant_path: Path, offline_path: Path | None, keywords: Mapping[str, Any] | None = None
) -> Configuration:
    """Read and check both files, and replace `keywords` in tenant.yaml. ConfigurationError names every mistake.

    Without `offline_path` it is offline.yaml beside the tenant file. If there is none, the tenant has no users, and its
    client ids and secrets follow from the clients' names.
    """
    if offline_path is None:
        beside = tenant_path.with_name("offline.yaml")
        offline_path = beside if beside.exists() else None
    documents = (
        _read(tenant_path, keyword_values(os.environ, {}) if keywords is None else keywords),
        {} if offline_path is None else _read(offline_path, {}),
    )
    return checked_configuration(*documents, (str(tenant_path), str(offline_path or "offline.yaml")))


def checked_configuration(
    tenant: Any,  # noqa: ANN401 - whatever YAML contains
    offline: Any,  # noqa: ANN401 - whatever YAML contains
    names: tuple[str, str] = ("tenant", "offline"),
) -> Configuration:
    """The configuration that two documents describe. ConfigurationError calls the documents by `names`."""
    configuration = Configuration(_validated(tenant, TenantFile, names[0]), _validated(offline, OfflineFile, names[1]))
    found = dangling_references(configuration.tenant_file, configuration.offline_file)
    if found:
        by_file = {TenantFile: names[0], OfflineFile: names[1]}
        raise ConfigurationError([f"{by_file[file]}: {where}: {what}" for file, where, what in found])
    return configuration


def _read(path: Path, keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever YAML contains
    try:
        text = with_keywords(path.read_text(encoding="utf-8-sig"), keywords)
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path} {not_utf8(error)}"]) from error
    try:
        document = yaml.load(text, LOADER)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        # @@KEY@@ outside of quotes is no YAML.
        problem = _without_value(remaining_keywords(text)) or f"is not YAML: {' '.join(str(error).split())}"
        raise ConfigurationError([f"{path}: {problem}"]) from error
    if problem := _without_value(remaining_keywords(document)):
        raise ConfigurationError([f"{path}: {problem}"])
    return document


def _without_value(keywords: Iterable[str]) -> str:
    names = ", ".join(keywords)
    variables = "an environment variable of that name, or AUTH0_KEYWORD_REPLACE_MAPPINGS"
    return f"no value for {names}: set {variables}" if names else ""


def _validated(document: Any, model: type[Model], name: str) -> Model:  # noqa: ANN401 - whatever YAML contains
    try:
        return model.model_validate({} if document is None else document)
    except ValidationError as error:
        raise ConfigurationError([f"{name}: {_problem(item)}" for item in error.errors()]) from error


def _problem(item: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key"
    message = item["msg"].removeprefix("Value error, ")
    seen = item["input"]
    if item["type"] in ("missing", "value_error") or isinstance(seen, dict | list) or "secret" in where:
        return f"{where}: {message}"
    if where.endswith("password"):
        return f"{where}: {message}"
    return f"{where}: {message} (seen: {seen!r})"
