"""The pages that the browser shows at the end, in English and Japanese. They load no files and run no scripts."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final

HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_TEMPLATE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Gatehouse</title>
<style>
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; color: #1c2430;
        background: #f7f8fa; }}
h1 {{ font-size: 1.5rem; border-left: .35rem solid {colour}; padding-left: .8rem; }}
p.detail {{ color: #5a6472; overflow-wrap: anywhere; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e8ebf0; background: #14181f; }} p.detail {{ color: #9aa5b4; }} }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
<div lang="ja">
<h1>{title_ja}</h1>
<p>{text_ja}</p>
</div>
{detail}</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """A page in both languages."""

    status: int
    colour: str
    title: str
    text: str
    title_ja: str
    text_ja: str

    def html(self, detail: str = "") -> bytes:
        """The page as HTML; `detail` is text of another party and is escaped."""
        shown = f'<p class="detail">{escape(detail)}</p>\n' if detail else ""
        return _TEMPLATE.format(**vars(self), detail=shown).encode()


SUCCESS: Final = Page(
    200,
    "#2e9e6b",
    "Signed in",
    "You can close this window. The agent continues in the terminal.",
    "サインインしました",
    "このウィンドウは閉じてかまいません。続きはターミナルをご覧ください。",
)
DENIED: Final = Page(
    200,
    "#d98a1f",
    "Not signed in",
    "The sign-in was declined. You can close this window. The terminal shows more.",
    "サインインしませんでした",
    "サインインは許可されませんでした。このウィンドウは閉じてかまいません。詳しくはターミナルをご覧ください。",
)
FAILED: Final = Page(
    400,
    "#c8453b",
    "The sign-in failed",
    "You can close this window. The terminal shows the cause.",
    "サインインに失敗しました",
    "このウィンドウは閉じてかまいません。原因はターミナルに表示されています。",
)
UNEXPECTED: Final = Page(
    400,
    "#8a94a3",
    "Not the expected answer",
    "This address takes one answer to the sign-in that was started in the terminal. Start again in the terminal.",
    "待っている応答ではありません",
    "このアドレスは、ターミナルから始めたサインインの応答だけを受け取ります。ターミナルからやり直してください。",
)
NOT_FOUND: Final = Page(
    404,
    "#8a94a3",
    "Page not found",
    "This address serves only the sign-in's callback.",
    "ページがありません",
    "ここではサインインの応答だけを受け取ります。",
)
