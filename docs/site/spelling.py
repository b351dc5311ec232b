"""Checks the spelling of the documents: English with cspell, Japanese with textlint. Run by `make docs`.

The words of this project are in cspell.json, those of the Japanese documents in terms.yml.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import npm

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENGLISH = ("*.md", "*/*.md", "docs/**/*.md")
JAPANESE = (ROOT / "README.ja.md", *sorted((ROOT / "docs" / "ja").glob("*.md")))


def main() -> int:
    """Exit code 0 if no word is wrong. Without npm nothing is checked, which is wrong only in CI."""
    if shutil.which("npm") is None:
        print("The spelling was not checked: that needs npm (Debian and Ubuntu: apt install npm).")
        return 1 if os.environ.get("CI") else 0
    folder = Path(os.environ.get("STACK_RUN_DIR") or ROOT / ".run") / "spelling"
    programs = npm.installed(folder, HERE / "package.json") / ".bin"
    english = ["cspell", "lint", "--config", str(HERE / "cspell.json"), "--no-progress", "--no-summary", *ENGLISH]
    japanese = ["textlint", "--config", str(folder / "textlint.json"), "--format", "compact", *map(str, JAPANESE)]
    for name in ("textlint.json", "terms.yml"):  # textlint finds its rules beside its configuration
        shutil.copy(HERE / name, folder / name)
    codes = [
        subprocess.run([programs / name, *arguments], cwd=ROOT).returncode for name, *arguments in (english, japanese)
    ]
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
