"""A long-running task that reports its progress."""

from __future__ import annotations

from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, MCPServer
from pydantic import Field


def register(mcp: MCPServer) -> None:
    """Add the tool to the server."""
    mcp.tool()(count_down)


async def count_down(
    ctx: Context,
    steps: Annotated[int, Field(ge=1, le=60, description="how many steps")] = 3,
    seconds: Annotated[float, Field(ge=0, le=10, description="how long each step takes")] = 1.0,
) -> str:
    """Count down slowly, with a progress notification for each step."""
    for step in range(steps):
        await ctx.report_progress(step, steps, f"{steps - step} to go")
        await anyio.sleep(seconds)
    await ctx.report_progress(steps, steps, "done")
    return f"Counted down {steps} steps."
