"""The three packages as others install them: wheel and sdist, built without the network, the same at every build."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.processes import ROOT, environment_without_settings
from tests.support.recipes import recipe, write

BIN = Path(sys.executable).parent
PAGE, FIVE_LINES = ROOT / "docs" / "protect.md", "Five lines"


@dataclass(frozen=True)
class Package:
    """A package, what else its sdist has, and a command that shows that it is complete."""

    folder: str
    module: str
    command: tuple[str, ...]
    expected: str
    further: frozenset[str] = frozenset()


PACKAGES = {
    "server": Package(
        "server",
        "gatehouse_server",
        ("gatehouse-server", "--permissions", "server:app"),
        "| tool | `add` | `access:mcp`, `numbers:add` |",
    ),
    "client": Package("client", "gatehouse_client", ("gatehouse", "--help"), "doctor"),
    "mock-idp": Package(
        "mock-idp",
        "mock_idp",
        ("mock-idp", "init"),
        "auth0/tenant.yaml",
        frozenset({"BEHAVIOURS.md", "RECIPES.md", "tenant.schema.json"}),
    ),
}


@dataclass(frozen=True)
class Built:
    """A package, its wheel and its sdist."""

    package: Package
    wheel: Path
    sdist: Path

    @property
    def metadata(self) -> Metadata:
        """The wheel's metadata, which must be valid."""
        (name,) = [each for each in zipfile.ZipFile(self.wheel).namelist() if each.endswith(".dist-info/METADATA")]
        return Metadata.from_email(zipfile.ZipFile(self.wheel).read(name), validate=True)


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    """Run the program, which must succeed. Returns its output."""
    environment = environment_without_settings() | {"SOURCE_DATE_EPOCH": "1700000000", **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, output: Path, package: Package) -> Built:
    run(sys.executable, "-m", "hatchling", "build", "-d", output, folder=source)
    (wheel,), (sdist,) = output.glob("*.whl"), output.glob("*.tar.gz")
    return Built(package, wheel, sdist)


@pytest.fixture(scope="module", params=PACKAGES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    package = PACKAGES[request.param]
    return build(ROOT / package.folder, tmp_path_factory.mktemp(package.folder), package)


def test_the_metadata_is_valid_and_the_description_is_the_readme(built: Built) -> None:
    metadata = built.metadata
    assert metadata.description == (ROOT / built.package.folder / "README.md").read_text(encoding="utf-8")
    assert (metadata.description_content_type, metadata.license_expression) == ("text/markdown", "MIT")
    assert metadata.license_files == ["LICENSE"]
    assert metadata.summary
    assert metadata.keywords
    assert "Typing :: Typed" in (metadata.classifiers or [])
    assert metadata.version == Version("0.1.0")


def test_the_packages_of_the_tests_are_what_the_metadata_requires(built: Built) -> None:
    installed = {canonicalize_name(each.name): each.version for each in distributions()}
    for needed in built.metadata.requires_dist or []:
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            assert installed[canonicalize_name(needed.name)] in needed.specifier, needed


def test_the_wheel_has_the_types_and_the_licence_and_nothing_beside_the_package(built: Built) -> None:
    names = set(zipfile.ZipFile(built.wheel).namelist())
    information = f"{built.package.module}-0.1.0.dist-info"
    assert {f"{built.package.module}/py.typed", f"{information}/licenses/LICENSE"} <= names
    assert {name.split("/")[0] for name in names} == {built.package.module, information}
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_sdist_has_the_sources_and_no_files_of_a_working_copy(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    metadata = {"PKG-INFO", "README.md", "LICENSE", "pyproject.toml", ".gitignore"}
    assert {name for name in names if not name.startswith("src/")} == metadata | built.package.further
    in_wheel = {name for name in zipfile.ZipFile(built.wheel).namelist() if name.startswith(built.package.module)}
    assert {f"src/{name}" for name in in_wheel if ".dist-info/" not in name} == {
        name for name in names if name.startswith("src/")
    }


def test_a_build_from_the_sdist_has_the_same_bytes(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    for path in source.rglob("*.py"):
        os.utime(path, (1, 1))
    again = build(source, tmp_path / "dist", built.package)
    for first, second in ((built.wheel, again.wheel), (built.sdist, again.sdist)):
        assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest(), first.name


@pytest.mark.parametrize("form", ["wheel", "sdist"])
def test_a_fresh_environment_can_use_the_package_from_the(built: Built, form: str, tmp_path: Path) -> None:
    home = tmp_path / "environment"
    run(BIN / "uv", "venv", "--quiet", "--offline", "--python", sys.executable, home, folder=tmp_path)
    (packages,) = home.glob("lib/python*/site-packages")
    # The dependencies are those of the tests. Their editable installations of this project are not visible this way.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    options = ("--quiet", "--offline", "--no-deps", "--no-build-isolation", "--python", home / "bin" / "python")
    run(BIN / "uv", "pip", "install", *options, getattr(built, form), folder=tmp_path)
    found = f"from importlib.util import find_spec; print(find_spec({built.package.module!r}).origin)"
    shown = run(home / "bin" / "python", "-c", found, folder=tmp_path)
    assert Path(shown.strip()).is_relative_to(packages)
    program, *arguments = built.package.command
    write(FIVE_LINES, tmp_path, PAGE)
    variables = {"AUTH0_DOMAIN": "tenant.example.com", "COLUMNS": "200"}
    assert built.package.expected in run(home / "bin" / program, *arguments, folder=tmp_path, **variables)


def test_the_description_of_the_server_has_the_five_lines_of_its_documentation() -> None:
    assert recipe(FIVE_LINES, PAGE)["server.py"] in (ROOT / "server" / "README.md").read_text(encoding="utf-8")
