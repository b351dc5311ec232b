"""A small MCP server over stdio without any package: it starts quickly, and misbehaves on request."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

TOOLS = ("who", "end", "flood", "noise", "wait", "bad_answer", "progress", "environment")


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(request: dict[str, Any], result: dict[str, Any]) -> None:
    say({"jsonrpc": "2.0", "id": request["id"], "result": result})


def text(request: dict[str, Any], value: str) -> None:
    answer(request, {"content": [{"type": "text", "text": value}]})


def call(request: dict[str, Any]) -> None:
    name, meta = request["params"]["name"], request["params"].get("_meta", {})
    if name == "who":
        text(request, f"{os.environ.get('GATEHOUSE_SUBJECT')} {os.getpid()}")
    elif name == "environment":
        text(request, " ".join(sorted(os.environ)))
    elif name == "end":
        sys.exit(1)
    elif name == "flood":
        text(request, "x" * int(request["params"]["arguments"]["size"]))
    elif name == "noise":
        sys.stdout.write("hello\n{\n")
        text(request, "done")
    elif name == "progress":
        for step in (1, 2):
            params = {"progressToken": meta["progressToken"], "progress": step, "total": 2}
            say({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        text(request, json.dumps(sorted(meta)))
    elif name == "bad_answer":
        answer(request, {"content": "none"})
    # wait: no answer


def main() -> None:
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "silent" in sys.argv:
        time.sleep(600)
    for line in sys.stdin:
        request = json.loads(line)
        method = request.get("method")
        if method == "initialize":
            info = {"name": "small", "version": "7"}
            version = request["params"]["protocolVersion"]
            answer(
                request,
                {
                    "protocolVersion": version,
                    "capabilities": {"tools": {}},
                    "serverInfo": info,
                    "instructions": "Be small.",
                },
            )
        elif method == "tools/list":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
            answer(request, {"tools": tools})
        elif method == "tools/call":
            call(request)
        elif method == "notifications/cancelled" and os.environ.get("CANCELLED"):
            Path(os.environ["CANCELLED"]).write_text("cancelled", encoding="utf-8")
        elif "id" in request:
            say({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "Method not found"}})
    if "stubborn" in sys.argv:
        time.sleep(600)


main()
