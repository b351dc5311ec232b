"""What the address of the console asks for: a tab, its filters, and a page of a long list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar, get_args
from urllib.parse import urlencode

Tab = Literal[
    "sign_ins", "log", "requests", "users", "clients", "apis", "connections", "checks", "not_played", "settings"
]
Outcome = Literal["worked", "surprising", "failed", "waiting"]
TABS: tuple[Tab, ...] = get_args(Tab)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
# Only these tabs show who signs in where. They can be hidden.
ACTIVITY: tuple[Tab, ...] = ("sign_ins", "log", "requests")
# By tab: the filters that it has. Other tabs are short.
FILTERS: Mapping[Tab, tuple[str, ...]] = {
    "sign_ins": ("client", "user", "outcome", "text"),
    "log": ("client", "user", "outcome", "text"),
    "requests": ("client", "outcome", "text"),
    "users": ("text",),
    "clients": ("text",),
    "apis": ("text",),
    "settings": ("text",),
}
POSSIBLE_OUTCOMES: Mapping[Tab, tuple[Outcome, ...]] = {
    "sign_ins": OUTCOMES,
    "log": ("worked", "surprising", "failed"),
    "requests": ("worked", "failed"),
}
MAX_LENGTH = 200
MAX_CHOICES = 50

T = TypeVar("T")


@dataclass(frozen=True)
class Facts:
    """What an entry of a list can be filtered by. `texts` are all texts that the page shows of it."""

    client: str = ""
    user: str = ""
    outcome: str = ""
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class View:
    """A filter that is empty keeps everything. `page` counts from 1."""

    tab: Tab = "sign_ins"
    client: str = ""
    user: str = ""
    outcome: str = ""
    text: str = ""
    page: int = 1

    @property
    def filters(self) -> tuple[str, ...]:
        return FILTERS.get(self.tab, ())

    @property
    def is_filtered(self) -> bool:
        return any(getattr(self, name) for name in self.filters)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return POSSIBLE_OUTCOMES.get(self.tab, ())

    def keeps(self, facts: Facts) -> bool:
        same = all(getattr(self, name) in ("", getattr(facts, name)) for name in ("client", "user", "outcome"))
        wanted = self.text.casefold()
        return same and (not wanted or any(wanted in text.casefold() for text in facts.texts))

    def address(self, language: str, *, page: int = 1) -> str:
        """The console's address with these filters."""
        filters = {name: getattr(self, name) for name in self.filters if getattr(self, name)}
        number = {"page": str(page)} if page > 1 else {}
        return "/?" + urlencode({"tab": self.tab, **filters, **number, "ui_locales": language})

    def of_tab(self, tab: Tab) -> View:
        """Another tab, with the filters that both tabs have."""
        shared = {name: getattr(self, name) for name in FILTERS.get(tab, ()) if name in self.filters}
        if shared.get("outcome") not in POSSIBLE_OUTCOMES.get(tab, ()):
            shared.pop("outcome", None)
        return View(tab, **shared)


def read_view(query: Mapping[str, str]) -> View:
    """The view that a query asks for. Unknown values count as not sent."""
    tab = next((tab for tab in TABS if tab == query.get("tab")), TABS[0])
    texts = {name: query.get(name, "").strip()[:MAX_LENGTH] for name in FILTERS.get(tab, ())}
    if texts.get("outcome") not in POSSIBLE_OUTCOMES.get(tab, ()):
        texts.pop("outcome", None)
    number = query.get("page", "")
    return View(tab, **texts, page=int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1)


@dataclass(frozen=True)
class Listing(Generic[T]):
    """One page of a list. `found` counts all entries that the filters keep, `total` all entries.

    `clients` and `users` are the values that the filters offer.
    """

    view: View
    entries: Sequence[T]
    found: int
    total: int
    pages: int
    clients: Sequence[str] = ()
    users: Sequence[str] = ()


def listing(view: View, entries: Sequence[T], facts: Callable[[T], Facts], size: int) -> Listing[T]:
    described = [(entry, facts(entry)) for entry in entries]
    kept = [entry for entry, its in described if view.keeps(its)]
    pages = max(1, -(-len(kept) // size))
    view = replace(view, page=min(max(1, view.page), pages))
    return Listing(
        view,
        kept[(view.page - 1) * size : view.page * size],
        len(kept),
        len(entries),
        pages,
        _choices((its.client for _, its in described), view.client),
        _choices((its.user for _, its in described), view.user),
    )


def _choices(values: Iterable[str], chosen: str) -> list[str]:
    """The values in alphabetical order. The chosen one stays, even if no entry has it any more."""
    found = sorted({value for value in values if value}, key=str.casefold)[:MAX_CHOICES]
    return found if chosen in ("", *found) else [chosen, *found]
