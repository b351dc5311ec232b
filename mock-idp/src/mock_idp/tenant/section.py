from __future__ import annotations

from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Section(BaseModel):
    """Refuses unknown keys, and drops nulls. Keys of an export that nothing here acts on are kept as they are."""

    model_config = ConfigDict(extra="forbid", strict=True)
    exported: ClassVar[frozenset[str]] = frozenset()
    _kept: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Exported keys are allowed with any value, and so is null, which counts as absent."""
        described = handler(core_schema)
        target = handler.resolve_ref_schema(described)
        properties = target.setdefault("properties", {})
        for name, value in properties.items():
            properties[name] = {"anyOf": [value, {"type": "null"}]}
        properties.update(dict.fromkeys(sorted(cls.exported), True))
        return described

    @model_validator(mode="wrap")
    @classmethod
    def _keep_exported(cls, data: Any, handler: ModelWrapValidatorHandler[Section]) -> Section:  # noqa: ANN401 - YAML
        if not isinstance(data, dict):
            return handler(data)
        stated = {key: value for key, value in data.items() if value is not None}
        section = handler({key: value for key, value in stated.items() if key not in cls.exported})
        section._kept = {key: value for key, value in stated.items() if key in cls.exported}
        return section

    @model_serializer(mode="wrap")
    def _with_kept(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**handler(self), **self._kept}
