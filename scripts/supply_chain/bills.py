"""Software bills of materials in the form of CycloneDX 1.6: of the Python packages in a lock, and of a base image."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from licences import CONCLUDED, ROOT, Licensed
from packaging.utils import canonicalize_name

Bill = dict[str, Any]
INSIDE = r"""
dpkg-query --show --showformat 'deb\t${Package}\t${Version}\t${Architecture}\n'
! command -v caddy >/dev/null || caddy build-info | sed -n 's/^dep\t/golang\t/p'
"""
"""What tells the parts of a base image: the packages of Debian, and the modules in Caddy's binary."""
DOCKER_SECONDS = 120


def of_packages(name: str, python: str) -> Bill:
    """The bill of the Python packages in a lock, which are those in the image of the package, with all extras.

    Args:
        name: the folder of the package, with its lock.
        python: of an environment in which the whole lock is installed.

    Raises:
        ValueError: the environment is not that of the lock.
    """
    project = ROOT / name / "pyproject.toml"
    options = ["--pyproject", str(project), "--output-reproducible", "--short-PURLs", "--sv", "1.6"]
    program = str(Path(sys.executable).with_name("cyclonedx-py"))
    made = subprocess.run([program, "environment", *options, python], stdout=subprocess.PIPE, text=True, check=True)
    bill: Bill = json.loads(made.stdout)
    bill["metadata"]["component"]["version"] = _version(project)
    for tool in bill["metadata"]["tools"]["components"]:
        del tool["externalReferences"]
    locked = _locked(ROOT / name / "requirements.lock")
    for part in bill["components"]:
        key = canonicalize_name(part["name"])
        version, hashes = locked[key]
        if version != part["version"]:
            raise ValueError(f"{name}: the lock has {key} {version}, but {part['version']} is installed")
        # The links in the metadata of packages are left out: some are advertisements, some name an index.
        part["externalReferences"] = [
            {
                "type": "distribution",
                "url": part["purl"],
                "comment": "one of these files is installed",
                "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
            }
        ]
        if key in CONCLUDED:
            part["licenses"] = [{"license": {"id": CONCLUDED[key], "acknowledgement": "concluded"}}]
    return bill


def licensed(bill: Bill) -> list[Licensed]:
    """The packages of a bill with their licences."""
    return [Licensed(canonicalize_name(each["name"]), each["version"], _licence(each)) for each in bill["components"]]


def of_base(image: str) -> Bill:
    """The bill of an image that others make, from what is in it.

    Raises:
        subprocess.CalledProcessError: Docker cannot run it, or it is not made of Debian.
    """
    inspected = _docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    shown = _docker("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-ec", INSIDE)
    parts = []
    for line in shown.splitlines():
        kind, name, version, *more = line.split("\t")
        purl = f"pkg:deb/debian/{name}@{version}?arch={more[0]}" if kind == "deb" else f"pkg:golang/{name}@{version}"
        parts.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    name, _, tag = image.partition(":")
    identity = {"name": "gatehouse:image-id", "value": inspected}
    subject = {"type": "container", "bom-ref": "image", "name": name, "version": tag, "properties": [identity]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": subject},
        "components": parts,
        "dependencies": [{"ref": "image", "dependsOn": [each["bom-ref"] for each in parts]}],
    }


def faults(text: str) -> list[str]:
    """What is not as the schema of CycloneDX 1.6 says, or names a part that is not there."""
    found = [str(each) for each in JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True) or ()]
    if found:
        return found
    bill = json.loads(text)
    known = {bill["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in bill["components"])}
    named = {ref for each in bill["dependencies"] for ref in (each["ref"], *each.get("dependsOn", []))}
    return [f"{ref} is not a component" for ref in sorted(named - known)]


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=DOCKER_SECONDS).stdout


def _version(project: Path) -> str:
    """The version in the project's file, or in the file that this one names."""
    stated = tomllib.loads(project.read_text(encoding="utf-8"))
    if "version" in stated["project"]:
        return str(stated["project"]["version"])
    text = (project.parent / stated["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.+)"', text, re.MULTILINE)[0]


def _locked(lock: Path) -> dict[str, tuple[str, list[str]]]:
    """The version and the hashes of each package of a lock."""
    entries = re.findall(r"^([a-z0-9._-]+)==([^\s;]+)((?:.*\\\n)*.*)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (version, re.findall(r"--hash=sha256:(\w+)", more)) for name, version, more in entries}


def _licence(part: Bill) -> str:
    """The licence as an expression. Names that are no identifiers of SPDX say less, and are left out."""
    licences = part.get("licenses", [])
    stated = [each["expression"] for each in licences if "expression" in each]
    return " AND ".join(stated or sorted({each["license"]["id"] for each in licences if "id" in each["license"]}))
