"""Reading and checking tenant.yaml and offline.yaml."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ..formats.parsing import not_utf8
from .action_code import load_action_code
from .building import build_tenant
from .keywords import commented_keywords, keyword_values, remaining_keywords, with_keywords
from .model import Tenant, User
from .not_played import played
from .offline_schema import Entry, OfflineFile
from .references import dangling_references
from .tenant_schema import Section, TenantFile

logger = logging.getLogger(__name__)
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

    @property
    def missing_keywords(self) -> tuple[str, ...]:
        """The keywords without a value in the parts of tenant.yaml that the tenant plays. They are plain text there."""
        return tuple(remaining_keywords(played(self.tenant_file)))

    def tenant(self) -> Tenant:
        return build_tenant(self.tenant_file, self.offline_file)


def load_configuration(
    tenant_path: Path, offline_path: Path | None, keywords: Mapping[str, Any] | None = None
) -> Configuration:
    """Read and check both files, and replace `keywords` in tenant.yaml. ConfigurationError names every mistake.

    Without `offline_path` it is offline.yaml beside the tenant file. If there is none, the tenant has no users, and its
    client ids and secrets follow from the clients' names.
    """
    values = keyword_values(os.environ, {}) if keywords is None else keywords
    text = _text(tenant_path, values)
    beside = tenant_path.with_name("offline.yaml")
    offline_path = offline_path or (beside if beside.exists() else None)
    offline = {} if offline_path is None else _parsed(offline_path, _text(offline_path, {}))
    documents = _parsed(tenant_path, text), offline
    notes = list(_commented(tenant_path, text))
    notes += [f"{tenant_path}: {problem}" for problem in load_action_code(documents[0], tenant_path.parent, values)]
    try:
        configuration = checked_configuration(*documents, (str(tenant_path), str(offline_path or beside)))
    except ConfigurationError as error:
        notes += _without_value(tenant_path, remaining_keywords(_played_sections(documents[0])))
        raise ConfigurationError([*error.lines, *notes]) from error
    for note in [*notes, *_without_value(tenant_path, configuration.missing_keywords)]:
        logger.warning("%s", note)
    return configuration


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


def _text(path: Path, keywords: Mapping[str, Any]) -> str:
    try:
        return with_keywords(path.read_text(encoding="utf-8-sig"), keywords)
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path} {not_utf8(error)}"]) from error


def _parsed(path: Path, text: str) -> Any:  # noqa: ANN401 - whatever YAML contains
    try:
        return yaml.load(text, LOADER)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from error


def _commented(path: Path, text: str) -> Iterator[str]:
    if "##" not in text:
        return
    for where, keyword in commented_keywords(text, yaml.compose(text, LOADER)).items():
        if where.partition(".")[0].partition("[")[0] in TenantFile.model_fields:
            advice = f"put it in quotes, or set {keyword.strip('#')}"
            yield f"{path}: {where} is empty: {keyword} has no value, and without quotes it is a YAML comment: {advice}"


def _played_sections(document: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever YAML contains
    sections = document if isinstance(document, dict) else {}
    return {name: value for name, value in sections.items() if name in TenantFile.model_fields}


def _without_value(path: Path, keywords: Iterable[str]) -> Iterator[str]:
    if names := ", ".join(keywords):
        variables = "an environment variable of that name, or AUTH0_KEYWORD_REPLACE_MAPPINGS"
        yield f"{path}: no value for {names}, which therefore stays as text: set {variables}"


def _validated(document: Any, model: type[Model], name: str) -> Model:  # noqa: ANN401 - whatever YAML contains
    try:
        return model.model_validate({} if document is None else document)
    except ValidationError as error:
        raise ConfigurationError([f"{name}: {_problem(item)}" for item in error.errors()]) from error


def _problem(item: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    if item["type"] == "extra_forbidden":
        sections: tuple[type[BaseModel], ...] = (*Section.__subclasses__(), *Entry.__subclasses__(), User)
        known = {name for section in sections for name in section.model_fields}
        key = str(item["loc"][-1])
        near = get_close_matches(key, known - {key}, n=1)
        return f"{where}: unknown key" + (f"; did you mean {near[0]}?" if near else "")
    message = item["msg"].removeprefix("Value error, ")
    seen = item["input"]
    if item["type"] in ("missing", "value_error") or isinstance(seen, dict | list) or "secret" in where:
        return f"{where}: {message}"
    if where.endswith(("password", ".code")):
        return f"{where}: {message}"
    return f"{where}: {message} (seen: {seen!r})"
