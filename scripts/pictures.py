"""Draws the pictures of the documents again: the diagrams from docs/pictures/*.mmd, and the recording of `make demo`.

    make docs DO=pictures      (needs npm and Chromium)

Each picture has a light and a dark form. A comment in a diagram has the digest of its source; a test compares it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
MERMAID = "@mermaid-js/mermaid-cli@11.17.0"
NPM_SECONDS, DRAW_SECONDS, DEMO_SECONDS = 600, 120, 300
COLUMNS, ROWS = 100, 32
LONGEST_PAUSE = 0.7
"""Seconds. Longer waits of the demo are cut to this."""
LINE, CHARACTER, SIZE, MARGIN = 18, 7.8, 13, 16
"""Of the recording, in pixels: height of a line, width of a character, size of the font, margin."""


@dataclass(frozen=True)
class Theme:
    """The colours of one form.

    Attributes:
        mermaid: the name of Mermaid's own theme.
        colours: by the number that the terminal uses: 1 is red, 2 green, 3 yellow, 6 cyan.
    """

    mermaid: str
    background: str
    text: str
    colours: dict[int, str]


THEMES = {
    "light": Theme("neutral", "#f6f8fa", "#1f2328", {1: "#cf222e", 2: "#1a7f37", 3: "#8a5a00", 6: "#0b6e8f"}),
    "dark": Theme("dark", "#0d1117", "#e6edf3", {1: "#ff7b72", 2: "#56d364", 3: "#e3b341", 6: "#56d4dd"}),
}


def main() -> int:
    """Draw all pictures."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        draw_diagrams(Path(folder))
    lines = recorded(["make", "--no-print-directory", "demo", "RUNTIME=local"])
    for name, theme in THEMES.items():
        (PICTURES / f"demo-{name}.svg").write_text(recording(lines, theme), encoding="utf-8")
    return 0


def digest(source: Path) -> str:
    """The digest of a diagram's source and of how it is drawn."""
    return hashlib.sha256(source.read_bytes() + MERMAID.encode()).hexdigest()


def draw_diagrams(folder: Path) -> None:
    """Draw each source in both forms, with Mermaid in the machine's Chromium."""
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    subprocess.run([*install, MERMAID, "puppeteer"], check=True, timeout=NPM_SECONDS)
    browser = {
        "executablePath": os.environ.get("CHROMIUM") or "/usr/bin/chromium",
        "args": ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    }
    (folder / "browser.json").write_text(json.dumps(browser), encoding="utf-8")
    for source in sorted(PICTURES.glob("*.mmd")):
        for name, theme in THEMES.items():
            settings = {"theme": theme.mermaid, "fontFamily": "system-ui, sans-serif", "htmlLabels": False}
            (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
            drawn = folder / "drawn.svg"
            command = [str(folder / "node_modules" / ".bin" / "mmdc"), "--quiet", "--input", str(source)]
            command += ["--output", str(drawn), "--configFile", str(folder / "settings.json")]
            command += ["--puppeteerConfigFile", str(folder / "browser.json"), "--backgroundColor", "transparent"]
            subprocess.run(command, check=True, timeout=DRAW_SECONDS)
            text = f"{drawn.read_text(encoding='utf-8')}\n<!-- {source.name} {digest(source)} -->\n"
            (PICTURES / f"{source.stem}-{name}.svg").write_text(text, encoding="utf-8")


def recorded(command: list[str]) -> list[tuple[float, str]]:
    """Run a command on a terminal. Returns its lines with the seconds at which each was there, waits cut short."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "300"}
    process = subprocess.Popen(command, cwd=ROOT, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    lines: list[tuple[float, str]] = []
    rest, at, last = "", 0.0, time.monotonic()
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:  # on Linux: the command has ended
            break
        now = time.monotonic()
        at, last = at + min(now - last, LONGEST_PAUSE), now
        *whole, rest = (rest + data.decode(errors="replace")).split("\n")
        lines += [(at, line.rstrip("\r").rpartition("\r")[2]) for line in whole]
    os.close(leader)
    code = process.wait(timeout=DEMO_SECONDS)
    if code != 0:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return lines


def recording(lines: list[tuple[float, str]], theme: Theme) -> str:
    """An SVG in which the lines appear one after the other and scroll. Without motion it shows the end."""
    height = ROWS * LINE + 2 * MARGIN
    width = round(COLUMNS * CHARACTER + 2 * MARGIN)
    shown, rules, scrolls = [], [], []
    end = lines[-1][0] + LONGEST_PAUSE
    for number, (at, line) in enumerate(lines):
        y = number * LINE + SIZE
        shown.append(f'<text id="l{number}" y="{y}">{_spans(line, theme)}</text>')
        rules.append(f"#l{number}{{animation:show 1ms {at:.2f}s both}}")
        if number >= ROWS:
            scrolls.append((at, (number - ROWS + 1) * LINE))
    hidden = max(0, len(lines) - ROWS) * LINE
    steps = "".join(f"{100 * at / end:.2f}%{{transform:translateY(-{up}px)}}" for at, up in scrolls)
    motion = (
        f"@keyframes show{{from{{visibility:hidden}}to{{visibility:visible}}}}"
        f"@keyframes scroll{{from{{transform:translateY(0)}}{steps}to{{transform:translateY(-{hidden}px)}}}}"
        f"#all{{animation:scroll {end:.2f}s step-end both}}{''.join(rules)}"
    )
    style = (
        f"text{{font:{SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:{theme.text};white-space:pre}}"
        f"#all{{transform:translateY(-{hidden}px)}}"
        f"@media (prefers-reduced-motion:no-preference){{{motion}}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        f"<title>make demo</title>\n<style>{style}</style>\n"
        f'<rect width="{width}" height="{height}" rx="6" fill="{theme.background}"/>\n'
        f'<svg x="{MARGIN}" y="{MARGIN}" width="{width - 2 * MARGIN}" height="{ROWS * LINE}"><g id="all">\n'
        + "\n".join(shown)
        + "\n</g></svg>\n</svg>\n"
    )


def _spans(line: str, theme: Theme) -> str:
    """The parts of a line with their colours, cut to the width of the terminal."""
    text = Text.from_ansi(line)
    text.expand_tabs(8)
    text.truncate(COLUMNS, overflow="ellipsis")
    console = Console(width=COLUMNS, color_system="standard", force_terminal=True)
    return "".join(_span(part.text, part.style, theme) for part in text.render(console) if part.text)


def _span(text: str, style: Style | None, theme: Theme) -> str:
    attributes = ""
    if style is not None and style.color is not None:
        attributes += f' fill="{theme.colours.get(style.color.number or 0, theme.text)}"'
    if style is not None and style.bold:
        attributes += ' font-weight="bold"'
    if style is not None and style.italic:
        attributes += ' font-style="italic"'
    return f"<tspan{attributes}>{escape(text)}</tspan>"


if __name__ == "__main__":
    sys.exit(main())
