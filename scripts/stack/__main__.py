"""What `make` runs: starts, stops and tries the stack, in the runtime that this machine has.

python3 scripts/stack up|down|logs|client ARGS...|demo|images|e2e|test|browser|bench|conformance|check|lock|clean
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this line is what an older Python gets to read
    sys.exit(f"Gatehouse needs Python 3.11 or newer, and this is {sys.version.split()[0]}: make PYTHON=python3.11 ...")

import docker
import endtoend
import environment
import local
import packages
from report import Problem, bold, dim, say
from runtime import Runtime

NOT_RUNNING = "The stack is not running: `make up` starts it."


def main() -> int:
    """Run one command; a Problem is a message and exit code 1."""
    arguments = _arguments()
    try:
        return _COMMANDS[arguments.command](arguments)
    except Problem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the output has closed the pipe, as in `make up | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def up(arguments: argparse.Namespace) -> int:
    """Start the stack and say what to do with it."""
    runtime = _runtime(arguments)
    settings = environment.load()
    runtime.up(settings)
    _welcome(settings)
    return 0


def down(_: argparse.Namespace) -> int:
    """Stop the stack, in whichever runtime it runs."""
    stopped = [name for name, runtime in _running().items() if runtime.down()]
    say(f"Stopped ({', '.join(stopped)})." if stopped else "Nothing was running.")
    return 0


def logs(arguments: argparse.Namespace) -> int:
    """Show the log of the running stack."""
    runtime = next(iter(_running().values()), None)
    if runtime is None:
        raise Problem(NOT_RUNNING)
    runtime.logs(follow=not arguments.no_follow)
    return 0


def client(arguments: argparse.Namespace) -> int:
    """Run the agent's command line, against the running stack if there is one: doctor and tenant need none."""
    with contextlib.redirect_stdout(sys.stderr):  # what is written to standard output is the command's
        running = _running()
        if running:
            name, runtime = next(iter(running.items()))
            say(dim(f"[{name} runtime]"))
        else:
            runtime = _runtime(arguments)
            say(NOT_RUNNING)
            environment.load()
        return runtime.client(arguments.rest)


def demo(arguments: argparse.Namespace) -> int:
    """Tell the story from the refusal to the answer; the stack is left as it was found."""
    running = _running()
    for name in running:
        say(f"{bold(f'Runtime: {name}')} (the stack is running)")
    runtime = next(iter(running.values())) if running else _runtime(arguments)
    settings = environment.load()
    if not settings.offline:
        raise Problem(
            f"The demo signs in the offline tenant's users, but .env names {settings['AUTH0_DOMAIN']}."
            " Set COMPOSE_PROFILES=mock and the AUTH0_ values of .env.example, or try `make ask`."
        )
    if not running:
        runtime.up(settings)
    try:
        return runtime.demo()
    finally:
        if not running:
            runtime.down()


def images(_: argparse.Namespace) -> int:
    """Build the images that the end-to-end suite runs in Docker, ahead of it."""
    obstacle = docker.available()
    if obstacle is not None:
        raise Problem(f"Images need Docker, but {obstacle}.")
    endtoend.build()
    return 0


def e2e(arguments: argparse.Namespace) -> int:
    """Run the end-to-end suite against a stack of its own."""
    runtime = _runtime(arguments)
    chosen = _chosen_tests(arguments)
    return endtoend.in_docker(chosen) if runtime is docker else endtoend.in_local_processes(chosen)


def test(arguments: argparse.Namespace) -> int:
    """Run every test that needs neither containers nor a browser."""
    say(bold("Runtime: local") + " (tests start their own processes)")
    packages.ensure()
    chosen = _chosen_tests(arguments) or [*endtoend.PARALLEL, endtoend.WITHOUT_THE_STACK]
    return local.run([str(packages.PYTHON), "-m", "pytest", *chosen])


def browser(arguments: argparse.Namespace) -> int:
    """Run the tests of the tenant's pages in a real Chromium."""
    packages.ensure()
    packages.add(environment.ROOT / "tests" / "browser" / "requirements.in")
    return local.run([str(packages.PYTHON), "-m", "pytest", *(_chosen_tests(arguments) or ["tests/browser"])])


def bench(arguments: argparse.Namespace) -> int:
    """Measure what protection costs, beside other servers."""
    packages.ensure()
    folder = environment.ROOT / "benchmarks"
    requirements = {name: folder / "requirements" / f"{name}.in" for name in ("article", "fastmcp")}
    requirements["server"] = environment.ROOT / "server" / "requirements.lock"
    apart = {name: packages.apart(name, path) for name, path in requirements.items()}
    options = [part for name, python in apart.items() for part in (f"--{name}", str(python))]
    return local.run([str(packages.PYTHON), str(folder), *options, *arguments.rest])


def conformance(arguments: argparse.Namespace) -> int:
    """Run the MCP conformance suite: our server, our client, our tenant."""
    packages.ensure()
    command = [str(packages.PYTHON), "tests/conformance/run.py", *arguments.rest]
    return local.run(command, PYTHONPATH=str(environment.ROOT))  # for the modules of tests/


def check(_: argparse.Namespace) -> int:
    """Linter, formatter, type checker, import rules. Changes nothing."""
    packages.ensure()
    commands = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"])
    return max(local.run([str(packages.BIN / command[0]), *command[1:]]) for command in commands)


def lock(_: argparse.Namespace) -> int:
    """Resolve the dependencies anew and write the hashed locks."""
    packages.ensure()
    return packages.lock()


def clean(_: argparse.Namespace) -> int:
    """Stop everything and remove what the stack keeps: containers' volumes, logs, .venv."""
    local.down()
    if docker.available() is None:
        docker.down(volumes=True)
    packages.remove()
    say("Removed containers, volumes, .run and .venv. Your .env stays.")
    return 0


_COMMANDS = {
    "up": up,
    "down": down,
    "logs": logs,
    "client": client,
    "demo": demo,
    "images": images,
    "e2e": e2e,
    "test": test,
    "browser": browser,
    "bench": bench,
    "conformance": conformance,
    "check": check,
    "lock": lock,
    "clean": clean,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stack", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runtime", choices=("auto", "docker", "local"), default=os.environ.get("RUNTIME") or "auto")
    parser.add_argument("--no-follow", action="store_true", help="logs: print and end")
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    return parser.parse_args()


def _chosen_tests(arguments: argparse.Namespace) -> list[str]:
    """The arguments for pytest: those of the command line, else those in T, split as a shell splits words."""
    try:
        return arguments.rest or shlex.split(os.environ.get("T", ""))
    except ValueError as error:
        raise Problem(f"T is {os.environ['T']!r}: {error}. Close the quote, or escape it with a backslash.") from None


def _runtime(arguments: argparse.Namespace) -> Runtime:
    """The runtime to start in; its name and the reason are the first line that is printed."""
    if arguments.runtime == "local":
        say(bold("Runtime: local") + " (RUNTIME=local)")
        return local
    obstacle = docker.available()
    if obstacle is None:
        say(bold("Runtime: docker"))
        return docker
    if arguments.runtime == "docker":
        raise Problem(f"RUNTIME=docker, but {obstacle}. Start or install Docker, or use RUNTIME=local.")
    say(bold("Runtime: local") + f" ({obstacle})")
    return local


def _running() -> dict[str, Runtime]:
    running: dict[str, Runtime] = {}
    if local.is_up():
        running["local"] = local
    if docker.available() is None and docker.is_up():
        running["docker"] = docker
    return running


def _welcome(settings: environment.Environment) -> None:
    say()
    say(f"  MCP server   {bold(settings.public_url)}")
    say(f"  Tenant       {bold(settings.issuer)}" + ("  (offline, for development only)" if settings.offline else ""))
    if settings.offline:
        if settings["MOCK_IDP_TLS_PORT"]:
            over_tls = f"https://localhost:{settings['MOCK_IDP_TLS_PORT']}/"
            say(f"               {bold(over_tls)}  (the same over TLS)")
        say("  Users        alice@example.com / Wonderland-1   has the permission")
        say("               bob@example.com   / Builder-2      has not")
    say()
    say("  Try next     make demo                              the whole story, without any input")
    say('               make ask Q="What time is it now?"      signs in, asks the agent')
    say("               make logs                              what the server decides")
    say("               make down                              stops everything")


if __name__ == "__main__":
    sys.exit(main())
