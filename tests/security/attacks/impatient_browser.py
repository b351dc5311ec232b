"""A $BROWSER in which a foreign page calls the agent's callback before the person has signed in.

`impatient_browser.py URL`. HOSTILE_ANSWERS is a JSON list of queries; CALLBACK_STATUS is a file for the answers'
status codes, one a line. Then it signs the person in, as the scripted browser does.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.support.scripted_browser import Browser, main

if __name__ == "__main__":
    (callback,) = parse_qs(urlsplit(sys.argv[1]).query)["redirect_uri"]
    browser = Browser()
    statuses = [browser.open(f"{callback}?{query}").status_code for query in json.loads(os.environ["HOSTILE_ANSWERS"])]
    Path(os.environ["CALLBACK_STATUS"]).write_text("\n".join(map(str, statuses)), encoding="utf-8")
    sys.exit(main())
