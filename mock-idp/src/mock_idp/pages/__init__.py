"""The pages: what each one shows, and how it is rendered."""

from __future__ import annotations

from pathlib import Path

from starlette.staticfiles import StaticFiles

from .rendering import render
from .shapes import (
    ActivatePage,
    ConsentPage,
    ErrorPage,
    FormPostPage,
    LoginPage,
    LogoutPage,
    MessagePage,
    Page,
    ScopeLine,
    SeededUser,
)

__all__ = [
    "ActivatePage",
    "ConsentPage",
    "ErrorPage",
    "FormPostPage",
    "LoginPage",
    "LogoutPage",
    "MessagePage",
    "Page",
    "ScopeLine",
    "SeededUser",
    "render",
    "static_files",
]


def static_files() -> StaticFiles:
    return StaticFiles(directory=Path(__file__).parent / "static")
