"""Known vulnerabilities of the locked packages: pip-audit asks the database of OSV, which is on the internet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from licences import ROOT, RULES

EXCUSED: Mapping[str, str] = RULES["vulnerabilities"]
SECONDS = 15
"""How long one answer may take."""


class NoData(Exception):
    """The database did not answer. The message is the kind of pip-audit's error."""


def problems(locks: list[Path], database: str | None = None, excused: Mapping[str, str] = EXCUSED) -> list[str]:
    """A line for each known vulnerability without an excuse, and for each excuse that nothing needs.

    Args:
        database: the URL of OSV's `query`; None for OSV itself.

    Raises:
        NoData: it is not known.
    """
    options = ["--disable-pip", "--require-hashes", "--vulnerability-service", "osv", "--format", "json"]
    options += ["--progress-spinner", "off", "--timeout", str(SECONDS)]
    options += ["--osv-url", database] if database else []
    files = [part for lock in locks for part in ("--requirement", str(lock))]
    program = str(Path(sys.executable).with_name("pip-audit"))
    done = subprocess.run([program, *options, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise NoData(done.stderr.strip().splitlines()[-1].partition(":")[0])
    lines, used = [], set()
    for package in json.loads(done.stdout)["dependencies"]:
        if "skip_reason" in package:
            lines.append(f"{package['name']}: {package['skip_reason']}")
        for each in package.get("vulns", []):
            excuses = excused.keys() & {each["id"], *each["aliases"]}
            used |= excuses
            if not excuses:
                fixed = ", ".join(each["fix_versions"]) or "no version"
                lines.append(f"{package['name']} {package['version']}: {each['id']}, which is fixed in {fixed}")
    return [*lines, *(f"rules.toml excuses {name}, which nothing has" for name in excused if name not in used)]
