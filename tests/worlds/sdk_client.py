"""An MCP client of somebody else: the SDK's own sign-in, by registration. Prints the subject that the server sees.

Run as `sdk_client.py MCP_URL`. SSL_CERT_FILE names the authority of a private certificate.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.e2e.sdk_client import MemoryStorage, sdk_client
from tests.support.stack import Stack

CALLBACK = "http://127.0.0.1:49152/callback"


async def main(url: str) -> None:
    """Register, sign in as alice, call `whoami`."""
    stack = Stack(url, issuer="", control_token="", audience=url, variables={})
    async with sdk_client(stack, MemoryStorage(), CALLBACK, "auto") as client:
        result = await client.call_tool("whoami", {})
    assert result.structured_content is not None
    print(result.structured_content["subject"])


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
