from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Section(BaseModel):
    """Refuses unknown keys; drops those which an export contains and nothing here acts on, and nulls."""

    model_config = ConfigDict(extra="forbid", strict=True)
    exported: ClassVar[frozenset[str]] = frozenset()

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

    @model_validator(mode="before")
    @classmethod
    def _drop_exported(cls, data: Any) -> Any:  # noqa: ANN401 - whatever YAML contains
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None and key not in cls.exported}
