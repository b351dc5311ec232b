"""The pages of docs/ that are made from the code.

.venv/bin/python scripts/pages
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]  # for the modules of tests/, and for this folder as a package

from pages import answers, api, commands, environment, tenant_readme  # noqa: E402 - found only now

logging.disable()  # the recorded servers log each request
for made in (answers, api, commands, environment, tenant_readme):
    made.PAGE.write_text(made.page(), encoding="utf-8")
