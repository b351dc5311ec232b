"""The bills of materials that `make sbom` has written, and the look-up of known vulnerabilities."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.test_supply_chain import LOCKED
from tests.support.free_ports import free_port
from tests.support.processes import ROOT

if "SBOM_FOLDER" not in os.environ:
    pytest.skip("make sbom writes the bills, and names their folder", allow_module_level=True)

FOLDER, TOOLS = Path(os.environ["SBOM_FOLDER"]), os.environ["SUPPLY_CHAIN_PYTHON"]
FAULTS = "import bills, json, sys; print(json.dumps([bills.faults(text) for text in json.load(sys.stdin)]))"
AUDIT = """
import json, sys, vulnerabilities
from pathlib import Path
lock, database, excused = sys.argv[1:]
try:
    print("\\n".join(vulnerabilities.problems([Path(lock)], database, json.loads(excused))))
except vulnerabilities.NoData as error:
    print("no data:", error)
"""


def bill(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.cdx.json").read_text(encoding="utf-8"))


def with_the_tools(code: str, *arguments: str, given: str = "") -> str:
    """What the code prints, in the environment of the tools."""
    command = [TOOLS, "-c", code, *arguments]
    folder = ROOT / "scripts" / "supply_chain"
    return subprocess.run(command, cwd=folder, input=given, stdout=subprocess.PIPE, text=True, check=True).stdout


def faults(*texts: str) -> list[list[str]]:
    return json.loads(with_the_tools(FAULTS, given=json.dumps(texts)))


def test_every_bill_is_as_the_schema_of_cyclonedx_says() -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.cdx.json"))]
    assert len(texts) >= len(LOCKED)
    assert faults(*texts) == [[]] * len(texts)


def test_a_wrong_bill_is_found() -> None:
    unknown, hashless, unconnected = bill("server"), bill("server"), bill("server")
    unknown["components"][0]["colour"] = "red"
    hashless["components"][0]["externalReferences"][0]["hashes"][0]["content"] = "?"
    unconnected["dependencies"][0]["dependsOn"] = ["nothing==1"]
    found = faults(*map(json.dumps, (unknown, hashless, unconnected)))
    assert all(found)
    assert found[2] == ["nothing==1 is not a component"]


@pytest.mark.parametrize("name", LOCKED)
def test_a_bill_has_exactly_the_packages_of_the_lock_with_their_hashes_and_licences(name: str) -> None:
    parts = bill(name)["components"]
    lock = (ROOT / name / "requirements.lock").read_text(encoding="utf-8")
    assert {(re.sub(r"[-_.]+", "-", part["name"]).lower(), part["version"]) for part in parts} == LOCKED[name]
    for part in parts:
        (files,) = part["externalReferences"]
        (entry,) = re.findall(
            rf"^{files['url'].removeprefix('pkg:pypi/').replace('@', '==')}[\s\S]+?\n(?=\S|\Z)", lock, re.M
        )
        assert [each["content"] for each in files["hashes"]] == re.findall(r"--hash=sha256:(\w+)", entry)
        assert part["licenses"], part["name"]


@pytest.mark.parametrize("name", LOCKED)
def test_every_part_of_a_bill_is_there_because_the_package_needs_it(name: str) -> None:
    made = bill(name)
    graph = {each["ref"]: each.get("dependsOn", []) for each in made["dependencies"]}
    reached, waiting = set[str](), [made["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += graph[ref]
    assert {each["bom-ref"] for each in made["components"]} - reached == set()


def test_a_bill_names_no_index_and_is_the_same_each_time() -> None:
    for path in FOLDER.glob("*.cdx.json"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^\"]+", text)) == {"http://cyclonedx.org/schema/bom-1.6.schema.json"}
        assert not {"serialNumber", "timestamp"} & {*json.loads(text), *json.loads(text)["metadata"]}


def test_the_bill_of_the_base_image_has_the_packages_of_debian() -> None:
    bases = list(FOLDER.glob("python-*.cdx.json"))
    if not bases:
        pytest.skip("without Docker there is no bill of the base image")
    parts = json.loads(bases[0].read_text(encoding="utf-8"))["components"]
    assert {"libc6", "libssl3t64"} <= {part["name"] for part in parts}
    assert all(part["purl"].startswith("pkg:deb/debian/") for part in parts)


@contextlib.contextmanager
def database(**vulnerable: dict[str, Any]) -> Iterator[str]:
    """A server that answers as OSV's `POST /v1/query` does (https://google.github.io/osv.dev/post-v1-query/)."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = vulnerable.get(asked["package"]["name"])
            body = json.dumps({"vulns": [found]} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


def audit(url: str, tmp_path: Path, **excused: str) -> list[str]:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"h11==0.16.0 --hash=sha256:{'0' * 64}\nidna==3.20 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    return with_the_tools(AUDIT, str(lock), url, json.dumps(excused)).split("\n")[:-1]


def test_a_known_vulnerability_is_found_unless_it_is_excused(tmp_path: Path) -> None:
    events = [{"introduced": "0"}, {"fixed": "0.17.0"}]
    ranges = [{"type": "ECOSYSTEM", "events": events}]
    affected = [{"package": {"name": "h11", "ecosystem": "PyPI"}, "ranges": ranges}]
    with database(h11={"id": "PYSEC-1", "aliases": ["CVE-1"], "affected": affected}) as url:
        assert audit(url, tmp_path) == ["h11 0.16.0: PYSEC-1, which is fixed in 0.17.0"]
        assert audit(url, tmp_path, **{"CVE-1": "never called"}) == [""]
    with database() as url:
        assert audit(url, tmp_path) == [""]
        assert audit(url, tmp_path, **{"CVE-1": "never called"}) == ["rules.toml excuses CVE-1, which nothing has"]


def test_without_the_database_it_is_said_that_nothing_was_looked_up(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1/query"
    assert audit(url, tmp_path) == ["no data: requests.exceptions.ConnectionError"]
