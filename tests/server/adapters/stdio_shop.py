"""The shop of `hosts.py` as a server over stdio, without any package: it starts quickly."""

from __future__ import annotations

import json
import sys
from typing import Any

LISTS = {
    "tools/list": {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("look", "sell")]},
    "prompts/list": {"prompts": [{"name": "advise"}]},
    "resources/list": {"resources": [{"uri": "shop://stock", "name": "stock"}]},
    "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "shop://shelf/{number}", "name": "shelf"}]},
}


def result(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        capabilities: dict[str, Any] = {"tools": {}, "prompts": {}, "resources": {}}
        info = {"name": "shop", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": info}
    if method == "tools/call":
        done = "looked" if params["name"] == "look" else f"sold {params['arguments'].get('thing', '')}"
        return {"content": [{"type": "text", "text": done}]}
    if method == "resources/read":
        uri = params["uri"]
        text = "in stock" if uri == "shop://stock" else f"shelf {uri.removeprefix('shop://shelf/')}"
        return {"contents": [{"uri": uri, "text": text}]}
    if method == "prompts/get":
        return {"messages": [{"role": "user", "content": {"type": "text", "text": "advice"}}]}
    return LISTS.get(method)


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        found = result(request["method"], request.get("params", {}))
        outcome = {"error": {"code": -32601, "message": "Method not found"}} if found is None else {"result": found}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **outcome}), flush=True)
