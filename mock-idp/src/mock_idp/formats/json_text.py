from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_json(data: bytes) -> Any:  # noqa: ANN401 - a JSON value
    """The JSON value in `data`. ValueError if it is not JSON, or if it cannot be encoded again.

    Python's parser accepts NaN, lone surrogates and any depth. They would cause errors later.
    """
    try:
        value = json.loads(data, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
