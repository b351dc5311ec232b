"""The templates, compiled once and then kept beside the compiled modules of this package.

Only a page imports this module: the import takes a tenth of the time of a start. To compile the templates of a page
takes a tenth of a second and more than a megabyte.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from ..formats.prose import with_code
from ..formats.urls import spans

# A longer name would fill a heading.
MAX_NAME = 60


def capped(name: str) -> str:
    """A name for a heading or a sentence. Pages show the whole name beside it, or in its `title`."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("mock_idp.pages"),
        bytecode_cache=CompiledTemplates(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["spans"] = spans
    made.filters.update(capped=capped, with_code=with_code)
    return made


class CompiledTemplates(FileSystemBytecodeCache):
    """Files in `__pycache__`, by the rules for its modules: none with PYTHONDONTWRITEBYTECODE or if it is read-only.

    A file counts for one template text. Another Jinja, or a change in this module, uses other files.
    """

    def __init__(self) -> None:
        code = Path(__file__).read_bytes() + version("jinja2").encode()
        digest = hashlib.sha256(code).hexdigest()[:12]
        super().__init__(os.fspath(Path(cache_from_source(__file__)).parent), f"template.%s.{digest}.cache")

    def dump_bytecode(self, bucket: Bucket) -> None:
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)


def main() -> None:
    """Compile every template, for an image whose packages are read-only."""
    for name in environment().list_templates():
        environment().get_template(name)


if __name__ == "__main__":
    main()
