"""Actions in a tenant file: the code's path, keywords, bindings, and what does not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mock_idp.tenant.loading import Configuration, ConfigurationError, load_configuration
from mock_idp.tenant.not_played import not_played

CODE = "exports.onExecutePostLogin = async (event, api) => {};\n"


def load(folder: Path, actions: list[Any], triggers: Any, keywords: dict[str, Any] | None = None) -> Configuration:
    document = {"actions": actions, "triggers": triggers}
    (folder / "tenant.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "offline.yaml").write_text("", encoding="utf-8")
    return load_configuration(folder / "tenant.yaml", folder / "offline.yaml", keywords or {})


def bound(*names: str, trigger: str = "post-login") -> dict[str, Any]:
    return {trigger: [{"action_name": name, "display_name": name} for name in names]}


def test_code_is_read_from_the_folder_of_the_tenant_file_with_keywords_replaced(tmp_path: Path) -> None:
    file = tmp_path / "actions/Add claims/code.js"
    file.parent.mkdir(parents=True)
    file.write_text(f"// ##STAGE##\n{CODE}", encoding="utf-8")
    stated = {"name": "Add claims", "code": "./actions/Add claims/code.js", "deployed": True}
    secrets = [{"name": "KEY", "value": "##KEY##"}]
    loaded = load(tmp_path, [{**stated, "secrets": secrets}], bound("Add claims"), {"STAGE": "test", "KEY": "k"})
    (action,) = loaded.tenant().actions["post-login"]
    assert (action.code, action.secrets) == (f"// test\n{CODE}", {"KEY": "k"})


def test_code_may_stand_in_the_tenant_file_itself(tmp_path: Path) -> None:
    loaded = load(tmp_path, [{"name": "A", "code": CODE, "deployed": True}], bound("A"))
    assert loaded.tenant().actions["post-login"][0].code == CODE


def test_an_action_whose_file_is_missing_does_not_run_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load(tmp_path, [{"name": "A", "code": "./gone.js", "deployed": True}], bound("A"))
    assert loaded.tenant().actions["post-login"] == ()
    assert "actions[0].code: ./gone.js cannot be read" in caplog.text
    assert not_played(loaded.tenant_file) == ["triggers.post-login: A has no code"]


def test_what_does_not_run_is_listed(tmp_path: Path) -> None:
    actions = [
        {"name": "Draft", "code": CODE, "deployed": False, "runtime": "node22", "supported_triggers": [{"id": "x"}]},
        {"name": "Texts", "code": CODE, "deployed": True, "dependencies": [{"name": "lodash", "version": "4"}]},
    ]
    triggers = {**bound("Draft"), **bound("Texts", trigger="send-phone-message"), "post-change-password": []}
    assert not_played(load(tmp_path, actions, triggers).tenant_file) == [
        "actions[].dependencies",
        "triggers.post-login: Draft is not deployed",
        "triggers.send-phone-message",
    ]


def test_a_binding_of_an_action_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, [{"name": "A", "code": CODE}], bound("B"))
    message = "triggers.post-login[0].action_name: there is no action 'B'; there are: 'A'"
    assert raised.value.lines == [f"{tmp_path / 'tenant.yaml'}: {message}"]


def test_code_of_more_than_100_kilobytes_is_refused_without_its_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, [{"name": "A", "code": CODE + "// x" * 30_000}], {})
    assert "actions[0].code: String should have at most 102400 characters" in str(raised.value)
    assert len(str(raised.value)) < 400
