"""Programs from npm, in the versions of a package.json."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

SECONDS = 600


def installed(folder: Path, package: Path, finish: Callable[[Path], None] = lambda modules: None) -> Path:
    """Install the packages once into a folder, and again if the file has changed.

    Args:
        package: the package.json. npm runs no scripts of the packages.
        finish: completes a new installation; its argument is the folder node_modules.

    Returns:
        The folder node_modules.

    Raises:
        SystemExit: npm is missing.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("These programs come from npm, which is missing (Debian and Ubuntu: apt install npm).")
    wanted = package.read_text(encoding="utf-8")
    stamp, modules = folder / "installed.json", folder / "node_modules"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(wanted, encoding="utf-8")
        command = [npm, "install", "--prefix", str(folder), "--no-package-lock", "--no-audit", "--no-fund"]
        command += ["--loglevel", "error"]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True, timeout=SECONDS)
        finish(modules)
        stamp.write_text(wanted, encoding="utf-8")
    return modules


def node(modules: Path) -> str:
    """The path of the Node that is a package itself (`node` in the package.json)."""
    return str(modules / "node" / "bin" / "node")
