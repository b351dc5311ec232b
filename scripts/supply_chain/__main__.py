"""What packages and base images consist of: bills of materials, licences, known vulnerabilities. `make sbom` runs it.

    python scripts/supply_chain --to FOLDER [--base IMAGE]... NAME=PYTHON...

Each PYTHON is that of an environment with the lock of the package NAME. Of each `--base` Docker tells the parts.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import bills
import licences
import vulnerabilities


def main() -> int:
    """Write the bills and the page of licences. Exit code 1 if something is not accepted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--base", action="append", default=[])
    parser.add_argument("packages", nargs="+", metavar="NAME=PYTHON")
    arguments = parser.parse_args()
    pythons = dict(each.split("=", 1) for each in arguments.packages)
    made = {name: bills.of_packages(name, python) for name, python in pythons.items()}
    base = {image.replace(":", "-"): bills.of_base(image) for image in arguments.base}
    arguments.to.mkdir(parents=True, exist_ok=True)
    wrong = []
    for name, bill in {**made, **base}.items():
        text = json.dumps(bill, indent=2, ensure_ascii=False) + "\n"
        wrong += [f"{name}: {fault}" for fault in bills.faults(text)]
        path = arguments.to / f"{name}.cdx.json"
        path.write_text(text, encoding="utf-8")
        print(f"{path}: {len(bill['components'])} parts")
    locks = {name: bills.licensed(bill) for name, bill in made.items()}
    licences.PAGE.write_text(licences.page(locks), encoding="utf-8")
    wrong += licences.problems(sorted({each for packages in locks.values() for each in packages}))
    try:
        wrong += vulnerabilities.problems([licences.ROOT / name / "requirements.lock" for name in made])
        print("Known vulnerabilities were looked up.")
    except vulnerabilities.NoData as error:
        print(f"Known vulnerabilities were not looked up: OSV's database does not answer ({error}).")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
