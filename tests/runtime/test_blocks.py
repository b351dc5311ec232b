"""Every code block of the documents is carried out by a test, or cannot be here, for a reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from tests.support.documents import Block, blocks, inline_commands, mistake, mistake_in_command, pages
from tests.support.processes import ROOT

EVERYWHERE = "*"


@dataclass(frozen=True)
class NotRun:
    """Why no test carries a block out. Its commands, options and variables are checked all the same."""

    reason: str


PAGES = "worlds/test_pages_carried_out.py"
WORLDS = "worlds/test_worlds.py"
SWAP = "worlds/test_swap.py"
SWARM = "worlds/test_swarm.py"
PRODUCTION = "worlds/test_production.py"
PROTECT = "server/test_protect_page.py"
GENERATED = "runtime/test_pages.py::test_the_page_is_up_to_date"
README_JA = "runtime/test_translations.py::test_both_languages_have_the_same"
DOCS_JA = "runtime/test_documents.py::test_a_japanese_page_has_the_headings_code_and_links_of_the_english_one"
RECIPES = "image/test_recipes.py"
OF_THE_TENANT = "mock_idp/test_readme.py"
TESTS = NotRun("they run the tests themselves; worlds/test_first_run.py runs the first two")
RELEASED = NotRun("the packages are not released: runtime/test_distributions.py installs them from their own files")
CLUSTER = NotRun("no cluster is at hand: kubernetes/test_manifests.py validates the overlays")
REGISTRY = NotRun("it needs a registry: worlds/test_swarm.py builds and names images of its own")
WINDOW = NotRun("the program has a window, and runs only on a desktop")

CARRIED_OUT: Mapping[str, Mapping[str, Sequence[str | NotRun]]] = {
    "README.md": {
        "Two commands": [f"{PAGES}::test_the_two_commands_of_the_readme_and_questions_of_the_page_about_the_agent"],
        "What you see": ["runtime/test_blocks.py::test_the_readme_adds_clients_as_their_page_does"],
        "Your own tool": [f"{PAGES}::test_the_tool_of_the_readme_is_called_after_a_second_sign_in"] * 2,
        "Your own server": [f"{PROTECT}::test_the_change_of_the_readme_puts_the_gate_before_a_server"],
        "Your own Auth0 tenant": [f"{SWAP}::test_by_command"] * 2,
        "Tests": [TESTS],
    },
    "README.ja.md": {EVERYWHERE: [README_JA]},
    "CONTRIBUTING.md": {"Commands": [TESTS]},
    "client/README.md": {"gatehouse-client": [RELEASED]},
    "server/README.md": {
        "gatehouse-server": [
            "runtime/test_distributions.py::test_the_description_of_the_server_has_the_five_lines_of_its_documentation",
            RELEASED,
        ]
    },
    "tests/README.md": {"Run": [TESTS]},
    "docs/api.md": {EVERYWHERE: [GENERATED]},
    "docs/auth0.md": {"5. `.env`": [f"{SWAP}::test_by_hand"], "Check the tenant": [f"{SWAP}::test_by_hand"]},
    "docs/client.md": {
        "Models": [f"{PAGES}::test_the_two_commands_of_the_readme_and_questions_of_the_page_about_the_agent"],
        **{
            section: ["client/test_library.py::test_the_example_calls_a_tool_with_the_persons_sign_in"]
            for section in ("The MCP SDK", "FastMCP", "LangChain", "pydantic-ai")
        },
    },
    "docs/clients.md": {
        "Set a client up": [
            "interop/clients/agents.py::ClaudeCode",
            "interop/clients/agents.py::Codex",
            "interop/clients/agents.py::OpenCode",
            "interop/clients/agents.py::GeminiCli",
            "interop/clients/command_lines.py::Inspector",
            "interop/clients/command_lines.py::McPorter",
            WINDOW,
            WINDOW,
        ]
    },
    "docs/ci.md": {"The whole stack": [f"{PAGES}::test_the_steps_of_the_workflow"]},
    "docs/debugging.md": {EVERYWHERE: [f"{PAGES}::test_the_page"]},
    "docs/flow.md": {EVERYWHERE: [f"{PAGES}::test_the_page"]},
    "docs/from-the-article.md": {
        "Your `.env` stays": [
            "e2e/agent/test_article.py::test_the_articles_env_alone_does_what_the_article_does",
            f"{WORLDS}::test_the_articles_env_with_only_its_credentials_changed",
        ]
    },
    "docs/hosts.md": {
        "Ports": [f"{WORLDS}::test_all_ports_moved"],
        "An address of this machine": [f"{WORLDS}::test_an_address_of_this_machine"],
        "A host name over https": [f"{WORLDS}::test_another_host_name_over_https"],
        "`host.docker.internal`": [NotRun("this machine would have to know the name: the section says so")] * 2,
        "Dev containers": [NotRun("it needs an editor: the page says so")],
        "GitHub Codespaces": [f"{PAGES}::test_the_lines_for_a_codespace_make_urls_that_the_stack_takes"] * 2,
        "Behind a reverse proxy": [
            "worlds/test_reverse_proxies.py::test_a_path_prefix_behind_the_examples_proxy",
        ],
        "Two stacks": [f"{WORLDS}::test_ports_auto_moves_what_is_taken_and_writes_it_down"],
    },
    "docs/ja/from-the-article.md": {EVERYWHERE: [DOCS_JA]},
    "docs/ja/tutorial.md": {EVERYWHERE: [DOCS_JA]},
    "docs/kubernetes.md": {"Demo": [CLUSTER] * 2, "Production": [CLUSTER] * 2},
    "docs/monitoring.md": {
        "Watching a server": [f"{PAGES}::test_the_metrics_of_the_page_are_served"],
        "Traces": ["worlds/test_tracing.py::test_the_spans_of_agent_gateway_gate_and_tool_are_one_trace"],
    },
    "docs/network.md": {"Proxies": ["client/signin/http/test_proxies.py::test_a_proxy_that_does_not_run_is_named"]},
    "docs/production.md": {
        "Start": [
            f"{PRODUCTION}::test_the_pages_commands_and_the_end_to_end_suite_over_https",
            f"{PRODUCTION}::test_the_example_needs_only_a_host_name_a_tenant_and_a_secret",
            f"{PRODUCTION}::test_the_pages_commands_and_the_end_to_end_suite_over_https",
        ],
        "Change": [f"{PRODUCTION}::test_the_pages_commands_and_the_end_to_end_suite_over_https"],
    },
    "docs/protect.md": {
        "Five lines": [
            f"{PROTECT}::test_the_server_of_the_page_is_protected",
            f"{PROTECT}::test_the_command_of_the_page_serves_its_server",
        ],
        "FastMCP": [f"{PROTECT}::test_the_server_of_the_page_is_protected"],
        "Low-level server": [f"{PROTECT}::test_the_server_of_the_page_is_protected"],
        "Permissions in a file": [f"{PROTECT}::test_the_server_of_the_page_is_protected"] * 2,
        "Under a prefix, beside other routes, several servers": [
            f"{PROTECT}::test_the_servers_of_the_page_have_their_own_audiences_and_permissions"
        ],
        "Several processes, unix socket": [f"{PROTECT}::test_the_command_of_the_page_serves_its_server"],
        "Connections": [f"{PROTECT}::test_the_program_of_the_page_bounds_connections"],
    },
    "docs/providers.md": {
        section: ["server/serving/test_settings.py::test_the_lines_of_the_page_about_providers_are_settings"]
        for section in ("Other identity providers", "Opaque tokens")
    },
    "docs/reference/answers.md": {EVERYWHERE: [GENERATED]},
    "docs/swarm.md": {
        "What you need": [REGISTRY] * 2,
        "Deploy": [f"{SWARM}::test_a_new_stack_has_a_gateway_on_each_node_and_its_servers_spread"],
        "Rotate a secret": [
            f"{SWARM}::test_a_new_secret_and_a_new_gateway_configuration_replace_all_one_by_one_and_no_call_is_lost"
        ],
        "Roll back": [f"{SWARM}::test_the_way_back_loses_no_call_and_has_the_secret_of_before"],
        "Take a node out": [f"{SWARM}::test_a_drained_node_loses_no_call"],
        "Add a node": [f"{SWARM}::test_a_drained_node_loses_no_call"],
        "Lose a node": [
            f"{SWARM}::test_a_dead_node_is_replaced_without_a_hand_and_calls_are_lost_only_until_it_is_found_dead"
        ],
        "Remove": [f"{SWARM}::test_the_stack_is_removed_with_its_secrets"],
    },
    "docs/tutorial.md": {EVERYWHERE: [f"{PAGES}::test_the_page"]},
    "docs/unattended.md": {EVERYWHERE: [f"{PAGES}::test_the_page"]},
    "docs/upstream.md": {
        "The gate in front of another server": [
            "server/upstream/test_process.py::test_the_command_serves_another_server_and_ends_cleanly"
        ],
        "Who asks": [
            "server/upstream/test_real_sockets.py::test_fastmcp_knows_the_caller_by_the_gates_assertion_and_nobody_else"
        ],
        "Sessions and replicas": ["server/upstream/test_identity.py::test_the_command_of_the_page_makes_a_key_file"],
    },
    "mock-idp/BEHAVIOURS.md": {
        EVERYWHERE: [f"{OF_THE_TENANT}::test_the_examples_of_the_files_are_valid_beside_what_they_name"]
    },
    "mock-idp/README.md": {
        "mock-idp: an Auth0 tenant that runs offline": [f"{OF_THE_TENANT}::test_the_commands_are_those_of_the_program"],
        **{
            section: [f"{OF_THE_TENANT}::test_the_examples_of_the_files_are_valid_beside_what_they_name"]
            for section in ("Custom claims", "Actions", "Organizations", "Clients with a metadata document")
        },
        "Control API": [f"{OF_THE_TENANT}::test_the_faults_are_accepted"],
        "Management API": [f"{OF_THE_TENANT}::test_curl_gets_a_token_for_the_management_api"],
        "In tests of other projects": [
            f"{OF_THE_TENANT}::test_a_tenant_for_a_block_of_code",
            f"{OF_THE_TENANT}::test_a_fixture_that_mints_a_token",
        ],
    },
    "mock-idp/RECIPES.md": {
        "Docker": [
            f"{RECIPES}::test_docker_run_serves_the_example_and_becomes_healthy",
            f"{RECIPES}::test_another_port_needs_the_issuer_only",
            f"{RECIPES}::test_the_container_serves_a_tenant_of_ones_own_over_https",
        ],
        "GitHub Actions": [f"{RECIPES}::test_the_service_container_of_a_github_workflow_becomes_healthy"],
        "Testcontainers for Python": [f"{RECIPES}::test_the_recipe_of_testcontainers_passes"] * 2,
        "Vitest": ["interop/node_recipes.py::problems"] * 3,
        "Playwright": ["interop/node_recipes.py::problems"] * 2,
    },
}
"""By page and section: for each code block, in their order, the test, or what the test runs; below tests/."""


@pytest.mark.parametrize("page", [page for page in pages() if blocks(page)])
def test_each_block_is_carried_out_or_has_a_reason(page: str) -> None:
    stated = CARRIED_OUT.get(page, {})
    if EVERYWHERE in stated:
        return
    found: dict[str, int] = {}
    for block in blocks(page):
        found[block.section] = found.get(block.section, 0) + 1
    assert {section: len(each) for section, each in stated.items()} == found, "state in CARRIED_OUT what carries it out"


def test_what_carries_a_block_out_exists() -> None:
    assert set(CARRIED_OUT) == {page for page in pages() if blocks(page)}
    stated = [each for sections in CARRIED_OUT.values() for section in sections.values() for each in section]
    for name in {each for each in stated if isinstance(each, str)}:
        path, _, defined = name.partition("::")
        assert defined in _defined_in(path), name
        assert not path.rpartition("/")[2].startswith("test_") or defined.startswith("test_"), name


@pytest.mark.parametrize("page", pages())
def test_what_a_block_names_exists_and_its_syntax_is_right(page: str) -> None:
    wrong = {block.text: mistake(block) for block in blocks(page)}
    named = () if page == "CHANGELOG.md" else inline_commands(page)  # it also names what there was
    wrong |= {command: mistake_in_command(command) for command in named}
    assert {text: what for text, what in wrong.items() if what} == {}


MISTAKES = {
    "a target": ("sh", "make nothing", "make has no nothing"),
    "a variable of make": ("sh", "make up PORT=auto", "make reads no PORT"),
    "a file of tests": ("sh", "make test T=tests/nowhere.py", "tests/nowhere.py is not there"),
    "a command": ("sh", "make down && gatehouse sing", "gatehouse has no sing"),
    "an option": ("console", "$ make client DO='login --loudly'\nSigned in", "gatehouse has no --loudly"),
    "an option of the server": ("sh", "gatehouse-server --downstream x", "gatehouse-server has no --downstream"),
    "an option of the tenant": ("sh", "mock-idp init --loudly", "mock-idp has no --loudly"),
    "an overlay": ("sh", "kubectl apply --kustomize deploy/nowhere", "deploy/nowhere is not there"),
    "a variable": ("sh", "MCP_PROT=1", "there is no variable MCP_PROT"),
    "a quote": ("sh", "echo 'x", "No closing quotation"),
    "YAML": ("yaml", "a: [", "while parsing"),
    "JSON": ("json", "{", "Expecting"),
    "Python": ("python", "def f(", "never closed"),
    "no language": ("", "x", "it names no language"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_a_block_is_found(case: str) -> None:
    language, text, said = MISTAKES[case]
    assert said in mistake(Block("a page", "", language, text))


def test_the_readme_adds_clients_as_their_page_does() -> None:
    def commands(page: str) -> Iterator[str]:
        for block in blocks(page, language="sh"):
            for command in re.split(r" && |\n", block.text):
                yield command.partition("  #")[0].strip()

    (block,) = blocks("README.md", "What you see")
    of_the_page = set(commands("docs/clients.md"))
    shown = {command.partition("  #")[0].strip() for command in re.split(r" && |\n", block.text.strip())}
    assert shown <= of_the_page


def test_a_group_of_ports_for_a_dev_container_is_that_of_the_stack() -> None:
    (block,) = blocks("docs/hosts.md", "Dev containers")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    ports = re.findall(r"^# (?:MCP|MOCK_IDP|OAUTH_CALLBACK)_PORT=(\d+)", example, re.MULTILINE)
    assert f'"forwardPorts": [{", ".join(ports)}]' in block.text


@cache
def _defined_in(path: str) -> frozenset[str]:
    body = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8")).body
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(each.name for each in body if isinstance(each, kinds))
