"""Where the documents at a client's addresses come from: offline.yaml, the internet, or the copies in this package."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ...http.fetching import FetchError
from ...state.idp import Idp

FETCHING_IS_OFF = "MOCK_IDP_CIMD_FETCH is off"
IDENTIFIER = "{id}"


class DocumentMissing(Exception):
    """The document is neither in a file nor reachable. The message says why, for the person who runs the tenant."""


def is_in_offline_file(idp: Idp, url: str) -> bool:
    """Whether offline.yaml has the document at `url`."""
    return url in idp.configuration.offline_file.client_metadata_documents


async def find_document(idp: Idp, url: str, *, max_bytes: int) -> dict[str, Any]:
    """The JSON object at `url`. offline.yaml comes first, then the internet if it may be used, then our own copy.

    A document from a file needs no `client_id`, because its address is stated there. DocumentMissing if there is none.
    """
    documents = idp.configuration.offline_file.client_metadata_documents
    if url in documents:
        return {"client_id": url, **documents[url]}
    known = known_document(url)
    if idp.fetcher is None:
        if known is None:
            raise DocumentMissing(FETCHING_IS_OFF)
        return known
    try:
        return await idp.fetcher.get(url, max_bytes=max_bytes)
    except FetchError as error:
        if known is None:
            raise DocumentMissing(str(error)) from error
        return known


def known_document(url: str) -> dict[str, Any] | None:
    """This package's copy of the document at `url`; None if it has none."""
    for address, entry in known_documents().items():
        before, placeholder, after = address.partition(IDENTIFIER)
        pattern = re.escape(before) + (r"([A-Za-z0-9_-]{1,64})" if placeholder else "()") + re.escape(after)
        if found := re.fullmatch(pattern, url):
            text = json.dumps(entry["document"]).replace(IDENTIFIER, found[1])
            return {"client_id": url, **json.loads(text)}
    return None


@cache
def known_documents() -> Mapping[str, Any]:
    """By address: `document`, `seen` and `source`."""
    path = Path(__file__).with_name("known_documents.yaml")
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found
