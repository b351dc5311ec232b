"""The result of a tool as text, and its images, audio and files saved in a folder."""

from __future__ import annotations

import base64
import mimetypes
import re
import unicodedata
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import mcp_types as types

from ..errors import GatehouseError, UsageError
from ..foreign_text import foreign, json_text

_MAX_NAME: Final = 120  # bytes; file systems allow 255
_MAX_COPIES: Final = 1000
_RESERVED: Final = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names of devices on Windows, with any suffix."""


class ResultFolder:
    """Saves the binary parts of results. No existing file is overwritten.

    Args:
        path: it is created if it does not exist.

    Raises:
        UsageError: the folder cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.saved: list[str] = []
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{path} cannot be a folder for results ({error.strerror}).") from error

    def save(self, data: bytes, name: str) -> Path:
        """Write a new file with this name, or with a number after it if the name is taken.

        Raises:
            GatehouseError: the file cannot be written.
        """
        stem, suffix = Path(name).stem, Path(name).suffix
        for number in range(1, _MAX_COPIES):
            path = self.path / (name if number == 1 else f"{stem}-{number}{suffix}")
            try:
                with path.open("xb") as file:
                    file.write(data)
            except FileExistsError:
                continue
            except OSError as error:
                raise GatehouseError(f"{path} cannot be written ({error.strerror}).") from error
            self.saved.append(str(path))
            return path
        raise GatehouseError(f"{self.path} already has {_MAX_COPIES} files with names like {name}.")


def result_text(result: types.CallToolResult, tool: str, folder: ResultFolder | None = None) -> str:
    """The content of a result, one line or text for each block; empty if it has no content.

    Args:
        tool: the name of the tool, for the names of files that have none.
        folder: saves images, audio and binary resources. Their lines end with the path.

    Raises:
        GatehouseError: a part cannot be saved.
    """
    return "\n".join(_text(block, tool, folder) for block in result.content)


def result_in_words(result: types.CallToolResult, tool: str) -> str:
    """The whole result as a text for a model: the content, and without any text also the structured content."""
    structured = None if has_text(result) else result.structured_content
    return "\n".join(filter(None, [result_text(result, tool), "" if structured is None else json_text(structured)]))


def images_of(result: types.CallToolResult) -> tuple[types.ImageContent, ...]:
    """The images of a result."""
    return tuple(block for block in result.content if isinstance(block, types.ImageContent))


def has_text(result: types.CallToolResult) -> bool:
    """Whether a block of the content is a text that is not empty."""
    return any(isinstance(block, types.TextContent) and block.text for block in result.content)


def _text(block: types.ContentBlock, tool: str, folder: ResultFolder | None) -> str:
    if isinstance(block, types.TextContent):
        return block.text
    if isinstance(block, types.ImageContent | types.AudioContent):
        return _binary(block.data, block.mime_type, tool, folder)
    if isinstance(block, types.ResourceLink):
        size = None if block.size is None else f"{block.size} bytes"
        return f"{_label(block.title or block.name, block.mime_type, size)} {foreign(block.uri, 10_000)}"
    if isinstance(block.resource, types.TextResourceContents):
        return block.resource.text
    name = unquote(urlsplit(block.resource.uri).path.rstrip("/").rpartition("/")[2])
    return _binary(block.resource.blob, block.resource.mime_type, name or tool, folder)


def _binary(encoded: str, mime_type: str | None, name: str, folder: ResultFolder | None) -> str:
    kind = mime_type or "application/octet-stream"
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        if folder is not None:
            raise GatehouseError(f"The {foreign(kind, 80)} of the result is not base64: it cannot be saved.") from None
        return _label(kind, "not valid base64")
    saved = "" if folder is None else f" {folder.save(data, safe_file_name(name, kind))}"
    return f"{_label(kind, f'{len(data)} bytes')}{saved}"


def _label(*facts: str | None) -> str:
    return f"[{', '.join(foreign(fact, 200) for fact in facts if fact)}]"


def safe_file_name(name: str, mime_type: str) -> str:
    """A file name from a name of the server, for every file system.

    It has only letters, digits, `_`, `-` and `.`, and does not begin with `.` or `-`. Its suffix is that of the MIME
    type, if the type is known.
    """
    text = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).lstrip(".-_").rstrip(".")
    kind = mime_type.partition(";")[0].strip().lower()
    suffix = Path(text).suffix.lower()
    known = [] if kind == "application/octet-stream" else mimetypes.guess_all_extensions(kind)
    wanted = "" if not known or suffix in known else mimetypes.guess_extension(kind) or ""
    stem, ending = (text, wanted) if wanted else (text.removesuffix(Path(text).suffix), Path(text).suffix)
    while len(f"{stem}{ending}".encode()) > _MAX_NAME:
        stem, ending = (stem[:-1], ending) if stem else ("", "")
    stem = f"_{stem}" if _RESERVED.match(f"{stem}{ending}") else stem
    return f"{stem or 'result'}{ending}"
