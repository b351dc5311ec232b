"""The table of permissions, from code and from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatehouse_server.auth.permission_table import PermissionTable, TableError
from gatehouse_server.auth.request import Target
from gatehouse_server.serving.settings import SettingsError
from tests.server.token_issuer import settings

FILE = """
tools:
  get_time: []
  convert_time: time:convert
  "admin_*": [time:admin, time:convert]
  admin_zones: time:zones
resources:
  "gatehouse://timezones/{region}": time:zones
  gatehouse://secret: time:admin
prompts:
  plan_meeting: time:convert
implies:
  time:admin: [time:convert, time:zones]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "permissions.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        (("tool", "get_time"), ""),
        (("tool", "convert_time"), "time:convert"),
        (("tool", "admin_users"), "time:admin time:convert"),
        (("tool", "admin_zones"), "time:admin time:convert time:zones"),
        (("tool", "unknown"), None),
        (("tool", "CONVERT_TIME"), None),
        (("tool", "plan_meeting"), None),
        (("prompt", "plan_meeting"), "time:convert"),
        (("resource", "gatehouse://timezones/Europe"), "time:zones"),
        (("resource", "gatehouse://timezones/Europe/Paris"), "time:zones"),
        (("resource", "gatehouse://timezones/{region}"), "time:zones"),
        (("resource", "gatehouse://timezones"), None),
    ],
    ids=str,
)
def test_every_entry_that_matches_counts_and_other_names_are_refused(
    tmp_path: Path, target: Target, needed: str | None
) -> None:
    table = PermissionTable.read(written(tmp_path, FILE))
    assert table.needed(target) == (None if needed is None else set(needed.split()))
    assert table.implies == {"time:admin": {"time:convert", "time:zones"}}


@pytest.mark.parametrize(
    "uri",
    [
        "gatehouse://secret",
        "GATEHOUSE://secret",
        "gatehouse://SECRET",
        "gatehouse://secr%65t",
        "gatehouse:\\\\secret",
        "gate\nhouse://secret",
        " gatehouse://secret",
    ],
)
def test_another_spelling_of_a_uri_needs_the_same_permissions(uri: str) -> None:
    table = PermissionTable(resources={"gatehouse://secret": "time:admin", "*": []})
    assert table.needed(("resource", uri)) == {"time:admin"}


@pytest.mark.parametrize(
    "uri",
    ["file:///data/x/../secret", "file:///data/x/%2e%2e/secret", "file:///data//secret", "file:///data/./secret"],
)
def test_a_path_with_dots_needs_the_permissions_of_the_path_it_leads_to(uri: str) -> None:
    table = PermissionTable(resources={"file:///data/secret": "admin", "*": []})
    assert table.needed(("resource", uri)) == {"admin"}


def test_a_star_opens_everything_else() -> None:
    table = PermissionTable(tools={"delete": "shop:write", "*": []})
    assert table.needed(("tool", "anything")) == set()
    assert table.needed(("tool", "delete")) == {"shop:write"}


def test_a_pattern_with_many_stars_is_compared_in_linear_time() -> None:
    table = PermissionTable(tools={"*a" * 30 + "b": "shop:write"})
    assert table.needed(("tool", "a" * 100_000)) is None


WRONG: dict[str, tuple[str, str]] = {
    "no members": ("- tools\n", "the document has no members"),
    "unknown section": ("tool:\n  a: b\n", "'tool' is unknown: tools, prompts, resources, implies are valid"),
    "section without names": ("tools: [a]\n", "tools is ['a']: names with their permissions are valid"),
    "name that YAML reads as a boolean": ("tools:\n  on: a\n", "tools has the name True: a text is valid"),
    "number": ("tools:\n  a: 7\n", "tools.a is 7: a permission or a list of permissions is valid"),
    "nothing": ("tools:\n  a:\n", "tools.a is None: a permission or a list of permissions is valid"),
    "space": ("tools:\n  a: b c\n", "tools.a has the permission 'b c': one without spaces"),
    "list of lists": ("tools:\n  a: [[b]]\n", "tools.a has the permission ['b']"),
    "name twice": ("tools:\n  a: b\n  a: []\n", "'a' occurs twice"),
    "section twice": ("tools:\n  a: b\ntools:\n  c: d\n", "'tools' occurs twice"),
    "not YAML": ("tools: {\n", "is not YAML"),
    "an object": ("tools: !!python/object/apply:os.getcwd []\n", "is not YAML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, case: str) -> None:
    text, message = WRONG[case]
    with pytest.raises(TableError) as caught:
        PermissionTable.read(written(tmp_path, text))
    assert message in str(caught.value)
    assert str(tmp_path / "permissions.yaml") in str(caught.value)


def test_a_missing_file_is_named_with_its_variable(tmp_path: Path) -> None:
    config = settings(PERMISSIONS_FILE=str(tmp_path / "none.yaml"))
    with pytest.raises(SettingsError, match=r"PERMISSIONS_FILE: .*none\.yaml cannot be read: No such file"):
        config.permission_table()


def test_without_a_file_there_is_no_table() -> None:
    assert settings().permission_table() is None


@pytest.mark.parametrize("value", [None, b"a", {"a": "b"}, 1])
def test_a_table_in_code_is_checked_like_a_file(value: Any) -> None:
    with pytest.raises(TableError):
        PermissionTable(tools={"a": value})
