"""Results without text: what is printed, and what `--save` writes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatehouse_client.errors import GatehouseError
from gatehouse_client.mcp.results import ResultFolder, result_text, safe_file_name
from gatehouse_client.mcp.session import Session
from tests.client.run_command import Command
from tests.support.fuzzing import fuzz

PIXEL = b"\x89PNG-not-really"
ENCODED = base64.b64encode(PIXEL).decode()
TEXT = {"type": "text", "text": "12:00"}
IMAGE = {"type": "image", "data": ENCODED, "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": ENCODED, "mimeType": "audio/wav"}
LINK = {
    "type": "resource_link",
    "name": "report",
    "uri": "https://files.example/report.pdf",
    "mimeType": "application/pdf",
    "size": 1234,
}
EMBEDDED = {"type": "resource", "resource": {"uri": "file:///notes.txt", "text": "two\nlines"}}
BLOB = {
    "type": "resource",
    "resource": {"uri": "file:///a/report.pdf", "blob": ENCODED, "mimeType": "application/pdf"},
}


def result(*blocks: dict[str, Any], **members: Any) -> types.CallToolResult:
    return types.CallToolResult.model_validate({"content": list(blocks), **members})


@pytest.fixture
def answers(command: Command) -> Callable[[types.CallToolResult], None]:
    """Sets the result of every tool."""
    assert command("login").exit_code == 0

    def answer(value: types.CallToolResult) -> None:
        async def call(*_: object) -> types.CallToolResult:
            return value

        command.monkeypatch.setattr(Session, "call", call)

    return answer


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        (TEXT, "12:00"),
        (IMAGE, "[image/png, 15 bytes]"),
        (AUDIO, "[audio/wav, 15 bytes]"),
        (LINK, "[report, application/pdf, 1234 bytes] https://files.example/report.pdf"),
        (EMBEDDED, "two\nlines"),
        (BLOB, "[application/pdf, 15 bytes]"),
        (IMAGE | {"data": "?"}, "[image/png, not valid base64]"),
        (LINK | {"name": "a\n\x1b[2Jb", "size": None, "mimeType": None}, "[a [2Jb] https://files.example/report.pdf"),
    ],
)
def test_each_kind_of_content_is_shown(block: dict[str, Any], shown: str) -> None:
    assert result_text(result(block), "tool") == shown
    assert result_text(result(TEXT, block), "tool") == f"12:00\n{shown}"


def test_call_prints_what_is_there(command: Command, answers: Callable[[types.CallToolResult], None]) -> None:
    shown = {
        "[image/png, 15 bytes]\n": result(IMAGE),
        '{"hour": 12}\n': result(structuredContent={"hour": 12}),
        '[image/png, 15 bytes]\n{"hour": 12}\n': result(IMAGE, structuredContent={"hour": 12}),
        "12:00\n": result(TEXT, structuredContent={"hour": 12}),
    }
    for text, value in shown.items():
        answers(value)
        printed = command("call", "get_time")
        assert (printed.exit_code, printed.stdout, printed.stderr) == (0, text, "")
    answers(result())
    printed = command("call", "get_time")
    assert (printed.exit_code, printed.stdout, printed.stderr) == (0, "", "The result of get_time is empty.\n")


def test_save_writes_the_binary_parts(
    command: Command, answers: Callable[[types.CallToolResult], None], tmp_path: Path
) -> None:
    answers(result(TEXT, IMAGE, BLOB, IMAGE))
    folder = tmp_path / "new" / "folder"
    names = ["get_time.png", "report.pdf", "get_time-2.png"]
    printed = command("call", "get_time", "--save", str(folder))
    assert printed.exit_code == 0, printed.stderr
    assert printed.stdout.splitlines() == [
        "12:00",
        f"[image/png, 15 bytes] {folder / names[0]}",
        f"[application/pdf, 15 bytes] {folder / names[1]}",
        f"[image/png, 15 bytes] {folder / names[2]}",
    ]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict.fromkeys(names, PIXEL)
    described = json.loads(command("--json", "call", "get_time", "--save", str(folder)).stdout)
    assert described["saved"] == [str(folder / name) for name in ("get_time-3.png", "report-2.pdf", "get_time-4.png")]
    assert described["content"][1]["data"] == ENCODED


def test_a_folder_that_cannot_be_one_is_an_error_of_usage_before_the_call(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    printed = command("call", "get_time", "--save", str(tmp_path / "file"))
    assert (printed.exit_code, printed.stdout) == (2, "")
    assert "cannot be a folder for results" in printed.stderr


def test_what_cannot_be_saved_exits_with_1(
    command: Command, answers: Callable[[types.CallToolResult], None], tmp_path: Path
) -> None:
    answers(result(IMAGE | {"data": "?"}))
    printed = command("call", "get_time", "--save", str(tmp_path / "folder"))
    assert printed.exit_code == 1
    assert printed.stderr == "The image/png of the result is not base64: it cannot be saved.\n"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///../../etc/passwd", "passwd.pdf"),
        ("file:///a/..%2f..%2f.bashrc", "bashrc.pdf"),
        ("file:///C%3A%5CWindows%5Cevil.exe", "C_Windows_evil.exe.pdf"),
        ("https://x.example/%E5%A0%B1%E5%91%8A.pdf", "報告.pdf"),
        ("https://x.example/-rf", "rf.pdf"),
        ("https://x.example/nul", "_nul.pdf"),
        ("https://x.example/a%E2%80%AEfdp.exe", "a_fdp.exe.pdf"),
        ("https://x.example/a%00b.PDF", "a_b.PDF"),
        ("https://x.example/", "tool.pdf"),
        ("urn:x", "x.pdf"),
        ("https://x.example/...", "result.pdf"),
    ],
)
def test_a_name_of_the_server_never_leaves_the_folder(tmp_path: Path, uri: str, name: str) -> None:
    block = {"type": "resource", "resource": {"uri": uri, "blob": ENCODED, "mimeType": "application/pdf"}}
    folder = ResultFolder(tmp_path / "folder")
    result_text(result(block), "tool", folder)
    assert [path.relative_to(folder.path) for path in tmp_path.rglob("*") if path.is_file()] == [Path(name)]


@fuzz(100)
@given(st.text(max_size=300), st.sampled_from(["image/png", "application/octet-stream", "x", "", "text/html; a=b"]))
def test_every_name_is_a_file_name_of_every_file_system(name: str, kind: str) -> None:
    safe = safe_file_name(name, kind)
    assert Path(safe).name == safe
    assert 0 < len(safe.encode()) <= 121
    assert not set(safe) & set('<>:"/\\|?*\0\n')
    assert safe[0] not in ".-"
    assert safe[-1] not in ". "
    assert safe.partition(".")[0].lower() not in ("con", "nul", "com1")


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "outside"
    folder = ResultFolder(tmp_path / "folder")
    (folder.path / "a.png").symlink_to(target)
    assert folder.save(b"x", "a.png") == folder.path / "a-2.png"
    assert not target.exists()


def test_a_folder_that_is_removed_meanwhile_is_a_message(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path / "folder")
    folder.path.rmdir()
    with pytest.raises(GatehouseError, match="cannot be written"):
        folder.save(b"x", "a.png")
