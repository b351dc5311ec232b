"""The example tenant: `mock-idp` serves it without any file, and `mock-idp init` writes it for a start."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).with_name("example_files")
EXAMPLE: Final = (_FOLDER / "tenant.yaml", _FOLDER / "offline.yaml")


def write_example(folder: Path) -> list[Path]:
    """Write tenant.yaml and offline.yaml into `folder/auth0`, and return their paths.

    Raises:
        OSError: a file cannot be written. FileExistsError if one of the two exists: then neither is written, and the
            message is for the person.
    """
    target = folder / "auth0"
    paths = [target / source.name for source in EXAMPLE]
    for path in paths:
        if path.exists():
            raise FileExistsError(f"{path} exists already. Move it away, or name another folder: mock-idp init FOLDER")
    target.mkdir(parents=True, exist_ok=True)
    for source, path in zip(EXAMPLE, paths, strict=True):
        path.write_bytes(source.read_bytes())
    return paths
