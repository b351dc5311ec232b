"""`make docs` builds the site, and refuses documents with mistakes."""

from __future__ import annotations

from collections.abc import Callable

from tests.worlds.conftest import World

MISTAKES = {
    "document isn't included in any toctree": "# A page that no page names\n",
    "'nowhere.md'": "[no file](nowhere.md)\n",
    "'no-heading'": "[no heading](../README.md#no-heading)\n",
    "'../deploy/none.yml'": "[no file](../deploy/none.yml)\n",
    "recieve ==> receive": "Clients recieve a token.\n",  # codespell:ignore
    "Unknown word (gatehosue)": "This is gatehosue.\n",
}
JAPANESE = "サーバを起動します。\n"


def test_the_site_has_every_document_and_their_pictures_and_can_be_searched(world: Callable[[str], World]) -> None:
    clone = world("")
    picture = clone.folder / "docs" / "dot.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8")
    with (clone.folder / "README.md").open("a", encoding="utf-8") as readme:
        readme.write('\n<picture><img src="docs/dot.svg" alt="a dot"></picture>\n')
    done = clone.shell("make docs")
    assert done.returncode == 0, done.stdout + done.stderr
    site = clone.folder / ".run" / "docs"
    for document in clone.folder.glob("docs/**/*.md"):
        page = site / document.relative_to(clone.folder).with_suffix(".html")
        assert page.is_file(), page
    assert 'href="../mock-idp/BEHAVIOURS.html"' in (site / "docs" / "README.html").read_text(encoding="utf-8")
    assert (site / "docs" / "dot.svg").is_file()
    assert "introspect" in (site / "searchindex.js").read_text(encoding="utf-8")
    assert "docs/README.html" in (site / "index.html").read_text(encoding="utf-8")


def test_a_mistake_in_a_document_fails(world: Callable[[str], World]) -> None:
    clone = world("")
    (clone.folder / "docs" / "mistakes.md").write_text("\n".join(MISTAKES.values()), encoding="utf-8")
    (clone.folder / "docs" / "ja" / "mistakes.md").write_text(JAPANESE, encoding="utf-8")
    done = clone.shell("make docs")
    assert done.returncode != 0
    assert [mistake for mistake in (*MISTAKES, "サーバ => サーバー") if mistake not in done.stdout + done.stderr] == []
