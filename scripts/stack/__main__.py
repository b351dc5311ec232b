"""The commands behind `make`: start, stop, use and test the stack, with Docker or as local processes.

python3 scripts/stack help|up|down|restart|reload|logs|deploy|client ARGS...|demo|images|e2e|test|browser|worlds|soak|
    bench|fuzz|conformance|interop|providers|docs|check|sbom|lock|clean
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python reads only up to this line
    sys.exit(
        f"Gatehouse needs Python 3.11 or newer, but this is {sys.version.split()[0]}. Run: make PYTHON=python3.11 ..."
    )

import docker
import endtoend
import environment
import guide
import local
import packages
import ports
import production
import swarm
from report import Problem, bold, dim, say
from runtime import Runtime

NOT_RUNNING = "The stack is not running. `make up` starts it."


def main() -> int:
    """Run one command. A Problem is printed, and the exit code is 1."""
    arguments = _arguments()
    for inherited in ("MAKEFLAGS", "DO"):  # a `make` that a test runs is another one
        os.environ.pop(inherited, None)
    try:
        _require_environment(arguments)
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


def _require_environment(arguments: argparse.Namespace) -> None:
    """
    Raises:
        Problem: ENV=prod, and the command is not for production.
    """
    if not environment.PRODUCTION:
        return
    if arguments.command not in _IN_PRODUCTION:
        raise Problem(
            f"ENV=prod is for {', '.join(_IN_PRODUCTION)}: `make {arguments.command}` has no part in production."
        )
    if arguments.runtime == "local":
        raise Problem("ENV=prod needs Docker: leave out RUNTIME=local.")
    arguments.runtime = "docker"


def show_help(arguments: argparse.Namespace) -> int:
    """Show the first commands; with `all` every command."""
    guide.commands(everything=arguments.rest == ["all"])
    return 0


def up(arguments: argparse.Namespace) -> int:
    """Start the stack, and print its URLs, its users and the next commands."""
    if environment.PRODUCTION:
        _choose_runtime(arguments)
        production.up()
        return 0
    settings = _settings()
    runtime = _choose_runtime(arguments)
    runtime.up(settings)
    guide.welcome(settings, runtime)
    return 0


def _settings() -> environment.Environment:
    """What .env says, checked.

    Raises:
        Problem: variables contradict each other, or this machine does not know PUBLIC_HOST.
    """
    settings = environment.load()
    if found := settings.contradictions():
        raise Problem("\n".join(found))
    if os.environ.get("PORTS") == "auto":
        settings = _with_free_ports(settings)
    try:
        socket.getaddrinfo(settings.public_host, None)
    except OSError as error:
        raise Problem(
            f"PUBLIC_HOST is {settings.public_host!r}: this machine does not know the name ({error.strerror}). Use a"
            " name that your DNS or /etc/hosts has."
        ) from None
    return settings


def _with_free_ports(settings: environment.Environment) -> environment.Environment:
    """Move what is taken to free ports, in .env, unless the stack runs already."""
    if _running():
        return settings
    changes = {name: str(port) for name, port in ports.moved(settings.ports() | settings.callback_port()).items()}
    if docker.available() is None and docker.other_clone() is not None:
        changes["COMPOSE_PROJECT_NAME"] = f"gatehouse-{changes.get('MCP_PORT', settings['MCP_PORT'])}"
    moved = environment.Environment({**settings.values, **changes})
    found = moved.contradictions()
    if moved.offline != settings.offline:
        found.append(
            f"Port {settings['MOCK_IDP_PORT']} is in use, and AUTH0_DOMAIN or AUTH0_ISSUER names it. Remove both: they"
            " follow MOCK_IDP_PORT."
        )
    if found:
        raise Problem("\n".join(found))
    if changes:
        environment.write(changes)
        say("Set in .env: " + ", ".join(f"{name}={value}" for name, value in changes.items()))
    return moved


def down(_: argparse.Namespace) -> int:
    """Stop the stack in each runtime in which it runs."""
    stopped = [name for name, runtime in _running().items() if runtime.down()]
    say(f"Stopped ({', '.join(stopped)})." if stopped else "Nothing was running.")
    return 0


def restart(_: argparse.Namespace) -> int:
    """Start the servers anew: with Docker one after the other, without a lost call."""
    if environment.PRODUCTION:
        _needed_running()
        production.restart()
        return 0
    for name, runtime in _needed_running().items():
        say(dim(f"[{name} runtime]"))
        runtime.restart(_settings())
    return 0


def reload(_: argparse.Namespace) -> int:
    """Let the gateway read its configuration again."""
    if "docker" not in _needed_running():
        raise Problem("The stack runs in the local runtime, which has no gateway. `make restart` reads .env again.")
    docker.reload()
    return 0


def logs(arguments: argparse.Namespace) -> int:
    """Show the log of the running stack."""
    next(iter(_needed_running().values())).logs(follow=not arguments.no_follow)
    return 0


def deploy(_: argparse.Namespace) -> int:
    """Deploy the servers and gateways to the Docker Swarm that this machine manages."""
    if not environment.PRODUCTION:
        raise Problem("A Swarm is for production: ENV=prod is needed, as `make deploy` sets it.")
    swarm.deploy()
    return 0


def client(arguments: argparse.Namespace) -> int:
    """Run the agent's command line. The commands doctor and tenant also work if the stack is not running."""
    with contextlib.redirect_stdout(sys.stderr):  # standard output is for the command's own output
        running = _running()
        if running:
            name, runtime = next(iter(running.items()))
            say(dim(f"[{name} runtime]"))
        else:
            runtime = _choose_runtime(arguments)
            say(NOT_RUNNING)
            environment.load()
        return runtime.client(arguments.rest)


def demo(arguments: argparse.Namespace) -> int:
    """Show a sign-in from the first refusal to the answer. A stack that was not running before is stopped again."""
    running = _running()
    for name in running:
        say(f"{bold(f'Runtime: {name}')} (the stack is running)")
    runtime = next(iter(running.values())) if running else _choose_runtime(arguments)
    settings = _settings()
    if not settings.offline:
        raise Problem(
            f"The demo signs in users of the offline tenant, but the tenant in .env is {settings.issuer}. Use"
            " `make ask`, or a second clone of the project, whose .env names no tenant."
        )
    if not running:
        runtime.up(settings)
    try:
        return runtime.demo()
    finally:
        if not running:
            runtime.down()


def images(_: argparse.Namespace) -> int:
    """Build the images for the end-to-end tests in Docker in advance."""
    obstacle = docker.available()
    if obstacle is not None:
        raise Problem(f"Building images needs Docker, but {obstacle}. Start or install Docker.")
    endtoend.build()
    return 0


def e2e(arguments: argparse.Namespace) -> int:
    """Run the end-to-end tests against a separate stack."""
    runtime = _choose_runtime(arguments)
    chosen = _chosen_tests(arguments)
    return endtoend.in_docker(chosen) if runtime is docker else endtoend.in_local_processes(chosen)


def test(arguments: argparse.Namespace) -> int:
    """Run every test that needs no containers and no browser.

    `coverage` reports which branches of the packages they take, and `mutants` tries whether they notice changed code.
    """
    if arguments.rest[:1] == ["mutants"]:
        return _mutants(arguments.rest[1:])
    coverage = arguments.rest[:1] == ["coverage"]
    if coverage:
        del arguments.rest[0]
    say(bold("Runtime: local") + " (tests start their own processes)")
    packages.ensure()
    chosen = _chosen_tests(arguments)
    pytest = ["pytest", *(chosen or endtoend.ALL)]
    return _coverage(pytest, chosen) if coverage else local.run([str(packages.PYTHON), "-m", *pytest])


def _coverage(pytest: list[str], chosen: list[str]) -> int:
    """Fails also if all tests together take too few branches of a package (`fail_under` in pyproject.toml)."""
    folder = environment.RUN / "coverage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python, data = str(packages.PYTHON), {"COVERAGE_FILE": str(folder / "data")}
    failed = local.run([python, "-m", "coverage", "run", "-m", *pytest], **data)
    # Its warnings name each file that it cannot read.
    failed |= local.run([python, "-W", "ignore", "-m", "coverage", "combine", "--quiet"], **data)
    unreadable = list(folder.glob("data.*"))  # `combine` removes what it has read
    for path in unreadable:
        path.unlink()
    if unreadable:
        say(f"Left out {len(unreadable)} data file(s) that cannot be read: a test killed the process as it wrote.")
    limit = ["--fail-under=0"] if chosen else []
    for package in (
        "server/src/gatehouse_server",
        "server/src/gatehouse_example",
        "client/src/gatehouse_client",
        "mock-idp/src/mock_idp",
    ):
        say(bold(package))
        # The path from the project's folder: tests also run copies of the packages elsewhere.
        failed |= local.run([python, "-m", "coverage", "report", f"--include={package}/*", *limit], **data)
    return failed


def _mutants(chosen: list[str]) -> int:
    packages.ensure()
    packages.add(environment.ROOT / "tests" / "mutants" / "requirements.in")
    command = [str(packages.PYTHON), "tests/mutants/run.py", *chosen]
    return local.run(command, PYTHONPATH=str(environment.ROOT))  # for the modules of tests/


def fuzz(arguments: argparse.Namespace) -> int:
    """Run the tests with random input for about so many seconds, with new input each time."""
    given = " ".join(arguments.rest) or "600"
    if not given.isdecimal():
        raise Problem(f"DO is {given!r}: a number of seconds is needed, such as make fuzz DO=600.")
    packages.ensure()
    pytest = [str(packages.PYTHON), "-m", "pytest", "-m", "fuzz"]
    command = [*pytest, "--collect-only", "--quiet"]
    listed = subprocess.run(command, cwd=environment.ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout
    count, workers = listed.count("::"), os.cpu_count() or 1
    each = max(1.0, int(given) * workers / max(count, 1))
    say(f"{count} tests with {each:.0f} s each, {workers} at a time")
    return local.run([*pytest, "-n", str(workers), "--dist", "worksteal"], FUZZ_SECONDS_EACH=str(each))


def browser(arguments: argparse.Namespace) -> int:
    """Run the tests of the tenant's pages in a real Chromium."""
    packages.ensure()
    packages.add(environment.ROOT / "tests" / "browser" / "requirements.in")
    chosen = _chosen_tests(arguments) or ("tests/browser", *endtoend.PARALLEL)
    return local.run([str(packages.PYTHON), "-m", "pytest", *chosen])


def worlds(arguments: argparse.Namespace) -> int:
    """Run the stack on other ports, hosts and folders: as local processes and, if Docker is the runtime, also there."""
    in_docker = _choose_runtime(arguments) is docker
    packages.ensure()
    pytest, chosen = [str(packages.PYTHON), "-m", "pytest"], _chosen_tests(arguments)
    failed = local.run([*pytest, *(chosen or ("tests/worlds", *endtoend.PARALLEL))], WORLDS_RUNTIME="local")
    if failed or not in_docker:
        return failed
    return local.run([*pytest, *(chosen or ("tests/worlds", "-m", "docker"))], WORLDS_RUNTIME="docker")


def soak(arguments: argparse.Namespace) -> int:
    """Send calls to a separate stack in Docker while its parts are killed, replaced and stopped."""
    obstacle = docker.available()
    if obstacle is not None:
        raise Problem(f"The soak test needs Docker, but {obstacle}. Start or install Docker.")
    packages.ensure()
    memory = arguments.rest[:1] == ["memory"]
    program, options = ("memory.py", arguments.rest[1:]) if memory else ("run.py", arguments.rest)
    command = [str(packages.PYTHON), f"tests/soak/{program}", *options]
    return local.run(command, PYTHONPATH=str(environment.ROOT))  # for the modules of tests/


def bench(arguments: argparse.Namespace) -> int:
    """Measure protection, the client's commands, the offline tenant beside others, and requests to the provider."""
    benchmarks = {
        "protection": _bench_protection,
        "sdk": _bench_sdk,
        "tenant": _bench_tenant,
        "limits": _bench_limits,
        "first-run": _bench_first_run,
    }
    chosen, options = list(benchmarks), arguments.rest
    if options and options[0] in benchmarks:
        chosen, options = options[:1], options[1:]
    packages.ensure()
    return max(benchmarks[name](options) for name in chosen)


def _bench_protection(options: list[str]) -> int:
    folder = environment.ROOT / "benchmarks"
    requirements = {name: folder / "requirements" / f"{name}.in" for name in ("article", "fastmcp")}
    requirements |= {name: packages.LOCKS[name] for name in ("server", "client")}
    return _bench(folder, requirements, options)


def _bench_sdk(options: list[str]) -> int:
    command = [str(packages.PYTHON), "benchmarks/sdk_costs.py", *options]
    return local.run(command, PYTHONPATH=str(environment.ROOT / "server/src"))


def _bench_tenant(options: list[str]) -> int:
    folder = environment.ROOT / "benchmarks"
    requirements = {
        "issuers": folder / "requirements" / "issuers.in",
        "tenant": environment.ROOT / "mock-idp" / "requirements.lock",
    }
    node, modules = shutil.which("node"), packages.node_modules("@simulacrum/auth0-simulator@0.11.4")
    if node is not None and modules is not None:
        options = ["--node", node, "--modules", str(modules), *options]
    else:
        say("Without npm, @simulacrum/auth0-simulator is not measured.")
    return _bench(folder / "tenant.py", requirements, options)


def _bench_limits(options: list[str]) -> int:
    command = [str(packages.PYTHON), str(environment.ROOT / "benchmarks" / "limits.py"), *options]
    return local.run(command, PYTHONPATH=str(environment.ROOT))


def _bench_first_run(options: list[str]) -> int:
    if (obstacle := docker.available()) is not None:
        say(f"The first run is measured in containers, but {obstacle}: it is not measured.")
        return 0
    command = [str(packages.PYTHON), "benchmarks/first_run.py", *options]
    return local.run(command, PYTHONPATH=str(environment.ROOT))


def _bench(program: Path, requirements: dict[str, Path], options: list[str]) -> int:
    pythons = {name: packages.separate_environment(name, path) for name, path in requirements.items()}
    given = [part for name, python in pythons.items() for part in (f"--{name}", str(python))]
    command = [str(packages.PYTHON), str(program), *given, *options]
    return local.run(command, PYTHONPATH=str(environment.ROOT))  # for the modules of tests/support


def conformance(arguments: argparse.Namespace) -> int:
    """Run the MCP conformance suite for the server, the client and the tenant."""
    packages.ensure()
    command = [str(packages.PYTHON), "tests/conformance/run.py", *arguments.rest]
    return local.run(command, PYTHONPATH=str(environment.ROOT))  # for the modules of tests/


def interop(arguments: argparse.Namespace) -> int:
    """Sign in to the stack with MCP clients of others, in a network without a way out."""
    packages.ensure()
    python = packages.separate_environment("interop", environment.ROOT / "tests" / "interop" / "requirements.in")
    command = [str(packages.PYTHON), "tests/interop/run.py", *arguments.rest]
    return local.run(command, PYTHONPATH=str(environment.ROOT), INTEROP_PYTHON=str(python))


def providers(arguments: argparse.Namespace) -> int:
    """Run server and agent behind identity providers of others, in a network without a way out."""
    packages.ensure()
    python = packages.separate_environment("providers", environment.ROOT / "tests" / "providers" / "requirements.in")
    command = [str(packages.PYTHON), "tests/providers/run.py", *arguments.rest]
    return local.run(command, PYTHONPATH=str(environment.ROOT), PROVIDERS_PYTHON=str(python))


def docs(arguments: argparse.Namespace) -> int:
    """Build the documents as a site, and check their links and the spelling; `pictures` draws their pictures again."""
    if arguments.rest == ["pictures"]:
        packages.ensure()
        return local.run([str(packages.PYTHON), "scripts/pictures.py"])
    packages.ensure(packages.RUN)  # for uv
    sources, site = environment.ROOT / "docs" / "site", environment.RUN / "docs"
    tools = packages.separate_environment("docs", sources / "requirements.in").parent
    say("Checking the spelling")
    misspelt = local.run([str(tools / "codespell")])
    spelling = [str(packages.PYTHON), str(sources / "spelling.py")]
    misspelt = local.run(spelling, PYTHONPATH=str(environment.ROOT)) or misspelt
    shutil.rmtree(site, ignore_errors=True)
    say("Building the site, and checking its links")
    options = ["--quiet", "--nitpicky", "--fail-on-warning", "--builder", "html", "--conf-dir", str(sources)]
    failed = local.run([str(tools / "sphinx-build"), *options, str(environment.ROOT), str(site)])
    if not failed:
        say(f"The site: {site / 'index.html'}")
    return misspelt or failed


def check(arguments: argparse.Namespace) -> int:
    """Run linter, formatter, type checker and import rules, and validate the manifests. Changes no file.

    `kubernetes` only validates the manifests and, if Docker and Podman are there, runs the pods of the demo.
    """
    packages.ensure()
    if arguments.rest[:1] == ["kubernetes"]:
        return _kubernetes(*arguments.rest[1:])
    commands = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"])
    failed = 0
    for command in commands:
        say(dim(" ".join(command)))
        failed = max(failed, local.run([str(packages.BIN / command[0]), *command[1:]]))
    say(dim("the manifests"))
    return max(failed, _manifests("tests/kubernetes/test_manifests.py"))


def _kubernetes(*options: str) -> int:
    if docker.available() is not None or shutil.which("podman") is None:
        say("Without Docker and Podman, the manifests are only validated.")
        return _manifests("tests/kubernetes", *options)
    endtoend.build()
    return _manifests("tests/kubernetes", *options, KUBERNETES_IMAGES=endtoend.PROJECT)


def _manifests(*chosen: str, **variables: str) -> int:
    tools = packages.separate_environment("kubernetes", environment.ROOT / "tests" / "kubernetes" / "requirements.in")
    command = [str(packages.PYTHON), "-m", "pytest", "-q", *chosen]
    return local.run(command, KUBERNETES_TOOLS=str(tools.parent), **variables)


def sbom(_: argparse.Namespace) -> int:
    """Write what packages and base images consist of, as CycloneDX, and check licences and known vulnerabilities."""
    packages.ensure()
    folder = environment.RUN / "sbom"
    tools = str(packages.separate_environment("supply-chain", packages.SUPPLY_CHAIN_LOCK))
    whole = [f"{name}={packages.whole_lock(name)}" for name in packages.LOCKS]
    bases = [] if docker.available() else [part for image in docker.base_images() for part in ("--base", image)]
    if not bases:
        say("Without Docker, the parts of the base images are not listed.")
    failed = local.run([tools, "scripts/supply_chain", "--to", str(folder), *bases, *whole])
    tests = [str(packages.PYTHON), "-m", "pytest", "-q", "tests/supply_chain"]
    return failed or local.run(tests, SBOM_FOLDER=str(folder), SUPPLY_CHAIN_PYTHON=tools)


def lock(_: argparse.Namespace) -> int:
    """Resolve the dependencies again and write the hashed lock files."""
    packages.ensure()
    return packages.lock()


def clean(_: argparse.Namespace) -> int:
    """Stop everything and remove the containers' volumes, the logs and .venv."""
    local.down()
    if docker.available() is None:
        docker.down(volumes=True)
    packages.remove()
    say("Removed containers, volumes, .run and .venv. Your .env is unchanged.")
    return 0


_IN_PRODUCTION = ("up", "down", "restart", "reload", "logs", "deploy")
_COMMANDS = {
    "help": show_help,
    "up": up,
    "down": down,
    "logs": logs,
    "restart": restart,
    "reload": reload,
    "deploy": deploy,
    "client": client,
    "demo": demo,
    "images": images,
    "e2e": e2e,
    "test": test,
    "fuzz": fuzz,
    "browser": browser,
    "worlds": worlds,
    "soak": soak,
    "bench": bench,
    "conformance": conformance,
    "interop": interop,
    "providers": providers,
    "docs": docs,
    "check": check,
    "sbom": sbom,
    "lock": lock,
    "clean": clean,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stack", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runtime", choices=("auto", "docker", "local"), default=os.environ.get("RUNTIME") or "auto")
    parser.add_argument("--no-follow", action="store_true", help="logs: print the log and exit")
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    return parser.parse_args()


def _chosen_tests(arguments: argparse.Namespace) -> list[str]:
    """The arguments for pytest: those of the command line, else those in T, split like in a shell."""
    try:
        return arguments.rest or shlex.split(os.environ.get("T", ""))
    except ValueError as error:
        raise Problem(f"T is {os.environ['T']!r}: {error}. Close the quote, or escape it with a backslash.") from None


def _choose_runtime(arguments: argparse.Namespace) -> Runtime:
    """The runtime to use. Prints its name and the reason as the first line."""
    if arguments.runtime == "local":
        say(bold("Runtime: local") + " (RUNTIME=local)")
        return local
    obstacle = docker.available()
    if obstacle is None:
        say(bold("Runtime: docker"))
        return docker
    if arguments.runtime == "docker":
        raise Problem(f"RUNTIME=docker needs Docker, but {obstacle}. Start or install Docker, or use RUNTIME=local.")
    say(bold("Runtime: local") + f" ({obstacle})")
    return local


def _running() -> dict[str, Runtime]:
    running: dict[str, Runtime] = {}
    if not environment.PRODUCTION and local.is_up():
        running["local"] = local
    if docker.available() is None and docker.is_up():
        running["docker"] = docker
    return running


def _needed_running() -> dict[str, Runtime]:
    """The runtimes in which the stack runs.

    Raises:
        Problem: it does not run.
    """
    if not (running := _running()):
        raise Problem(NOT_RUNNING)
    return running


if __name__ == "__main__":
    sys.exit(main())
