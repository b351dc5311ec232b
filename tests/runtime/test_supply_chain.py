"""The licences of the packages in the locks. `make sbom` writes their list, and reads the licences themselves."""

from __future__ import annotations

import re
import sys

import pytest
from packaging.requirements import Requirement

from tests.support.processes import ROOT

sys.path.insert(0, str(ROOT / "scripts" / "supply_chain"))
import licences

ON_LINUX = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
LOCKED = {
    name: {
        (requirement.name, str(requirement.specifier).removeprefix("=="))
        for requirement in map(
            Requirement, re.findall(r"^([a-z0-9].*?) \\$", (ROOT / name / "requirements.lock").read_text("utf-8"), re.M)
        )
        if requirement.marker is None or requirement.marker.evaluate(ON_LINUX)
    }
    for name in ("server", "client", "mock-idp")
}
LISTED = [
    (licences.Licensed(name, version, licence.removesuffix(" ¹")), [each == "yes" for each in images.split(" | ")])
    for name, version, licence, images in re.findall(
        r"^\| (\S+) \| (\d\S*) \| (.+?) \| (.+) \|$", licences.PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
]


def test_the_list_of_licences_has_the_packages_of_the_locks() -> None:
    for number, (name, locked) in enumerate(LOCKED.items()):
        listed = {(package.name, package.version) for package, images in LISTED if images[number]}
        assert listed == locked, f"{name}: `make sbom` writes the list again"


def test_every_licence_is_accepted() -> None:
    assert licences.problems([package for package, _ in LISTED]) == []


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("a", "GPL-3.0-only"),
        ("a", ""),
        ("a", "MIT AND AGPL-3.0-only"),
        ("a", "GPL-2.0-only OR LGPL-2.1-only"),
        ("a", "MPL-2.0"),
        ("a", "GPL-3.0-only AND (GPL-2.0-only OR MIT OR X)"),
        ("certifi", "GPL-3.0-only"),
    ],
)
def test_a_licence_that_is_not_accepted_is_found(name: str, licence: str) -> None:
    packages = [package for package, _ in LISTED if package.name != name]
    (line,) = licences.problems([*packages, licences.Licensed(name, "1.0", licence)])
    assert line.startswith(f"{name} 1.0: its licence is ")


@pytest.mark.parametrize("licence", ["MIT", "MIT OR GPL-3.0-only", "MIT AND BSD-2-Clause"])
def test_a_permissive_licence_is_accepted(licence: str) -> None:
    assert licences.is_accepted(licences.Licensed("a", "1.0", licence))


def test_a_rule_that_nothing_needs_is_found() -> None:
    packages = [package for package, _ in LISTED if package.name != "certifi"]
    assert licences.problems(packages) == ["rules.toml names certifi, which is in no lock"]
