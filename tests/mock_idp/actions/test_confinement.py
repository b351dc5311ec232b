"""What an Action cannot do: read the environment or files, start programs, run for ever, fill the memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mock_idp.actions.node import Node, NodeError
from mock_idp.actions.outcome import Outcome, read_outcome

pytestmark = pytest.mark.usefixtures("installed_node")


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node(limit_seconds=5)
    yield node
    node.close()


def run(node: Node, body: str, **event: Any) -> Outcome:
    code = f"exports.onExecutePostLogin = async (event, api) => {{\n{body}\n}};"
    return run_code(node, code, **event)


def run_code(node: Node, code: str, **event: Any) -> Outcome:
    event = {"user": {}, "transaction": {"metadata": {}}, **event}
    actions = [{"name": "Tried", "code": code, "secrets": {}}]
    return read_outcome(node.run({"trigger": "post-login", "actions": actions, "event": event}))


def seen(node: Node, expression: str) -> Any:
    outcome = run(node, f"api.idToken.setCustomClaim('seen', {expression});")
    assert outcome.failed is None, outcome.failed
    return outcome.id_token["seen"]


def test_an_action_has_no_process_and_no_way_to_load_files(node: Node) -> None:
    assert seen(node, "[typeof process, typeof globalThis.require, typeof global, typeof Deno]") == ["undefined"] * 4


@pytest.mark.parametrize(
    "escape",
    [
        "(function () {}).constructor('return process')()",
        "api.access.deny.constructor('return process')()",
        "require.constructor('return process')()",
        "setTimeout.constructor('return process')()",
        "URL.constructor('return process')()",
        "console.log.constructor.constructor('return process')()",
        "eval('1')",
    ],
)
def test_text_does_not_become_code(node: Node, escape: str) -> None:
    failed = run(node, f"api.idToken.setCustomClaim('seen', String({escape}));").failed
    assert failed is not None
    assert "Code generation from strings disallowed" in failed.message


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system has no /proc")
def test_the_process_has_nothing_of_the_environment(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "secret-of-the-tenant")
    run(node, "")
    process = node._process
    assert process is not None
    assert Path(f"/proc/{process.pid}/environ").read_bytes() == b""


def test_the_process_may_read_no_file_and_start_no_program(node: Node) -> None:
    """Outside of the Actions' context also. The runner's own `require` is used, as an escape would."""
    run(node, "")
    assert node._process is not None
    arguments = node._process.args
    assert isinstance(arguments, list)
    attempts = (
        "for (const attempt of ["
        "() => require('fs').readFileSync('/etc/hostname'), () => require('fs').readdirSync('/'),"
        "() => require('child_process').execSync('id'), () => new (require('worker_threads').Worker)('1', {eval: true})"
        "]) { try { attempt(); console.log('allowed') } catch (error) { console.log(error.code) } }"
    )
    command = [*arguments[:-1], attempts]
    answer = subprocess.run(command, env={}, capture_output=True, timeout=20, check=True)
    assert answer.stdout.decode().split() == ["ERR_ACCESS_DENIED"] * 4


@pytest.mark.parametrize(
    "body",
    ["while (true) {}", "await null; while (true) {}", "await new Promise(() => {});"],
)
def test_an_action_that_does_not_end_is_ended_and_the_next_one_runs(body: str) -> None:
    node = Node(limit_seconds=0.5)
    try:
        with pytest.raises(NodeError, match=r"did not finish in 0\.5 seconds"):
            run(node, body)
        assert run(node, "").failed is None
    finally:
        node.close()


def test_an_action_that_fills_the_memory_is_ended(node: Node) -> None:
    with pytest.raises(NodeError, match="may have needed more than 128 MB"):
        run(node, "const kept = []; while (true) kept.push(new Array(1e6).fill('x'));")
    assert run(node, "").failed is None


def test_an_action_that_returns_too_much_is_ended(node: Node) -> None:
    with pytest.raises(NodeError, match="more than 1048576 bytes"):
        run(node, "api.idToken.setCustomClaim('x', 'y'.repeat(2e6));")
    assert run(node, "").failed is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("api.idToken.setCustomClaim('x', 1n);", "BigInt"),
        ("const x = {}; x.x = x; api.idToken.setCustomClaim('x', x);", "circular"),
        ("api.idToken.setCustomClaim(7, 1);", "the name must be a string"),
        ("throw null;", "null"),
        ("setTimeout(() => { throw new Error('late'); }, 1); await new Promise((r) => setTimeout(r, 50));", "late"),
        ("Promise.reject(new Error('unhandled')); await new Promise((r) => setTimeout(r, 20));", "unhandled"),
    ],
)
def test_a_wrong_value_or_a_late_error_is_an_error_of_the_action(node: Node, body: str, message: str) -> None:
    failed = run(node, body).failed
    assert failed is not None
    assert message in failed.message
    assert run(node, "").failed is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("this is not code", "Unexpected identifier"),
        ("exports.somethingElse = 1;\n", "exports.onExecutePostLogin is not a function"),
        ("require('lodash');\nexports.onExecutePostLogin = () => {};", 'require("lodash") is not available'),
        ("}); throw new Error('outside');\n(() => {", "outside"),
    ],
)
def test_code_that_cannot_be_loaded_is_an_error_of_the_action(node: Node, code: str, message: str) -> None:
    failed = run_code(node, code).failed
    assert failed is not None
    assert message in failed.message


def test_names_of_the_runner_are_free_for_an_action(node: Node) -> None:
    names = "main, name, event, api, load, module2, run, values"
    code = f"let {names};\nmodule.exports = {{ onExecutePostLogin: (event, api) => api.access.deny('ran') }};"
    denied = run_code(node, code).denied
    assert denied is not None
    assert denied.reason == "ran"


def test_nothing_of_one_run_is_left_for_the_next_but_the_cache(node: Node) -> None:
    run(node, "globalThis.left = 1; Object.prototype.polluted = 1; String.prototype.trim = null;")
    assert seen(node, "[typeof left, typeof ({}).polluted, typeof ''.trim]") == ["undefined", "undefined", "function"]
    run(node, "api.cache.set('token', 'abc', { ttl: 60000 }); api.cache.set('gone', 'x', { ttl: -1 });")
    assert seen(node, "[api.cache.get('token').value, api.cache.get('gone') === undefined]") == ["abc", True]
    run(node, "api.cache.delete('token');")
    assert seen(node, "api.cache.get('token') === undefined") is True


def test_a_line_of_the_console_is_cut_and_the_number_of_lines_is_limited(node: Node) -> None:
    logs = run(node, "for (let i = 0; i < 500; i += 1) console.log('x'.repeat(1000));").logs
    assert len(logs) == 100
    assert {len(text) for _, text in logs} == {256}


def test_modules_that_need_neither_files_nor_network_are_there(node: Node) -> None:
    expression = "require('crypto').createHash('sha256').update('a').digest('hex').slice(0, 8)"
    assert seen(node, expression) == "ca978112"
    assert seen(node, "new URL('https://a.example/b').host") == "a.example"


def test_the_process_ends_when_the_tenant_does() -> None:
    node = Node()
    run(node, "")
    assert node._process is not None
    pid = node._process.pid
    node.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_was_killed_is_started_again(node: Node) -> None:
    run(node, "")
    assert node._process is not None
    node._process.kill()
    node._process.wait()
    assert run(node, "api.access.deny('x');").denied is not None


def test_no_node_and_an_old_node_are_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    assert Node("off").problem == "MOCK_IDP_ACTIONS is off"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Node().problem == "node is not installed"
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.20.0\n", encoding="utf-8")
    old.chmod(0o755)
    assert Node().problem == "node is older than version 20"
