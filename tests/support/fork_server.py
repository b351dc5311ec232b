"""Waits in a process of its own for requests of `quick_python.py`, and forks for each of them.

It has imported what the three programs load, and ends with the last of its connections. A fork closes what it has of
this module, takes the descriptors, the environment and the folder of the request, and runs the module as `python -m`
does.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

# What the three programs load. None of them reads the program's environment or measures the terminal when it is
# imported, so the client's command line is not among them.
MODULES = (
    *("asyncio", "ssl", "zoneinfo", "tzdata", "graphlib", "encodings.ascii", "encodings.idna", "encodings.utf_8_sig"),
    *("anyio._backends._asyncio", "httpx2", "httpcore2", "truststore", "yaml", "jsonschema", "platformdirs"),
    *("pydantic", "pydantic.networks", "pydantic_settings", "email_validator", "typer", "typer._adapters"),
    *("rich.console", "rich.table", "rich.markdown", "rich.live", "rich.spinner", "rich.logging", "rich._emoji_codes"),
    *("prompt_toolkit", "prompt_toolkit.history", "prompt_toolkit.patch_stdout", "prompt_toolkit.input.vt100"),
    *("mcp", "mcp.server.mcpserver", "mcp.client.streamable_http", "joserfc.jwt", "joserfc.jwk", "joserfc.errors"),
    *("cryptography.x509", "cryptography.hazmat.primitives.asymmetric.rsa", "starlette.applications", "jinja2"),
    *("starlette.middleware", "uvicorn", "uvicorn.protocols.http.h11_impl", "uvicorn.lifespan.on", "uvloop"),
    *("uvicorn.loops.uvloop", "uvicorn.lifespan.off", "uvicorn.protocols.http.auto", "prometheus_client", "trustme"),
    *("uvicorn.protocols.websockets.auto", "opentelemetry.trace", "multipart", "python_multipart", "filelock.asyncio"),
    *("keyring.core", "keyring.backends.SecretService", "auth0.management.client", "auth0.management.clients.client"),
    *("auth0.management.connections.client", "auth0.management.connections.clients.client"),
    *("auth0.management.client_grants.client", "auth0.management.resource_servers.client"),
    *("auth0.management.roles.permissions.client", "auth0.management.roles.users.client"),
    *("auth0.management.tenants.client", "auth0.management.tenants.settings.client", "auth0.management.users.client"),
    *("gatehouse_example.app", "gatehouse_server.__main__", "mock_idp.command_line", "mock_idp.app"),
    *("mock_idp.control.routes", "mock_idp.management", "mock_idp.pages.environment"),
    *("gatehouse_client.identity", "gatehouse_client.mcp.session", "gatehouse_client.agent.conversation"),
    *("gatehouse_client.doctor.graph", "gatehouse_client.doctor.other_clients", "gatehouse_client.tenant.management"),
)
# The request to serve the listening socket to programs with the model of a provider.
SERVE_MODELS = b"models"
# What the agent loads for the model of a provider. This takes seconds.
MODELS = (
    *("gatehouse_client.agent.langchain_model", "langchain.chat_models.base", "openai.resources.chat.completions"),
    *("langchain_openai", "langchain_anthropic", "langchain_google_genai"),
)


def main() -> None:
    """Serve the listening socket on the descriptor of the first argument."""
    _serve(socket.socket(fileno=int(sys.argv[1])), MODULES)


def _serve(listening: socket.socket, modules: Sequence[str]) -> NoReturn:
    """Answer requests until the last connection is closed. In a fork it runs the program."""
    for name in modules:
        with suppress(ImportError):  # an optional package
            importlib.import_module(name)
    sys.modules.pop("gatehouse_server.__main__", None)  # it runs as `__main__`
    gc.freeze()
    sockets, of_models = [listening], []
    while True:
        for ready in select.select(sockets, [], [])[0]:
            if ready is listening:
                sockets += _accepted(listening)
                continue
            request, descriptors, _, _ = socket.recv_fds(ready, 1 << 20, 4)
            if request:
                process = _fork(request, descriptors, sockets)
                of_models += [process] if request == SERVE_MODELS else []
                continue
            ready.close()
            sockets.remove(ready)
            if sockets == [listening]:
                _wait_for(of_models)
                os._exit(0)


def _accepted(listening: socket.socket) -> list[socket.socket]:
    """The next connection, if it is of this user: everybody on this machine can connect to the address."""
    connection, _ = listening.accept()
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user == os.getuid():
        return [connection]
    connection.close()
    return []


def _fork(request: bytes, descriptors: list[int], sockets: list[socket.socket]) -> int:
    """Do what is asked in a fork, and give its process id."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    process = os.fork()
    if process == 0:
        for each in sockets:
            each.close()
        if request == SERVE_MODELS:
            _serve(socket.socket(fileno=descriptors[0]), MODELS)
        _become(json.loads(request), descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return process


def _wait_for(processes: list[int]) -> None:
    for process in processes:
        with suppress(ChildProcessError):
            os.waitpid(process, 0)


def _become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Run the program in another fork, and tell its process id and its last state to the last descriptor."""
    *streams, status = descriptors
    process = os.fork()
    if process:
        for descriptor in streams:
            os.close(descriptor)
        os.write(status, struct.pack("i", process))
        _, state = os.waitpid(process, 0)
        with suppress(BrokenPipeError):
            os.write(status, struct.pack("i", state))
        os._exit(0)
    os.close(status)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
    if request["session"]:
        os.setsid()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if request["session"] and os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    _open_streams()
    if "COVERAGE_PROCESS_CONFIG" in os.environ:  # a new process would begin to measure at its start
        importlib.import_module("coverage").process_startup()
    sys.path[:0] = [str(Path.cwd()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["", *request["arguments"]]
    code: object = None
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
    _end(code)


def _end(code: object) -> NoReturn:
    """End like `sys.exit(code)`, without freeing each object of the imported modules, which takes long."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit((code or 0) & 0xFF)


def _open_streams() -> None:
    """The standard streams as a new process has them: in UTF-8 mode, or with the encoding of PYTHONIOENCODING."""
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    encoding, given = "utf-8", "surrogateescape"
    if "PYTHONIOENCODING" in os.environ:
        encoding, given = os.environ["PYTHONIOENCODING"], "strict"
    sys.stdin = sys.__stdin__ = open(0, encoding=encoding, errors=given, closefd=False)  # noqa: SIM115
    for number, name, errors in ((1, "stdout", given), (2, "stderr", "backslashreplace")):
        stream = open(number, "w", encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115
        stream.reconfigure(line_buffering=number == 2 or os.isatty(number), write_through=at_once)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    main()
