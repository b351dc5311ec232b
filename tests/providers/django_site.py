"""A Django site with django-oauth-toolkit and nothing else. It runs without this project's packages.

    python django_site.py FILE

FILE is JSON with the port, the database, the signing key, the scopes, the tokens' lifetime, users and clients.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.core.servers import basehttp

CONFIGURATION = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
LOGIN_PAGE = """<!doctype html><title>Sign in</title>
<form method="post">{% csrf_token %}{{ form.as_p }}<input type="hidden" name="next" value="{{ next }}">
<button>Sign in</button></form>"""
CONTEXT = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
LOADERS = [
    ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN_PAGE}),
    "django.template.loaders.app_directories.Loader",
]

settings.configure(
    SECRET_KEY="a secret of a provider that runs only in tests",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF="django_site_urls",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
        "oauth2_provider",
    ],
    STATIC_URL="static/",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"context_processors": CONTEXT, "loaders": LOADERS},
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": CONFIGURATION["database"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    LOGIN_URL="/login/",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": CONFIGURATION["signing_key"],
        "SCOPES": {"openid": "Who you are", **dict.fromkeys(CONFIGURATION["scopes"], "A permission")},
        "ACCESS_TOKEN_EXPIRE_SECONDS": CONFIGURATION["lifetime"],
        "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
        "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    },
)


def fill() -> None:
    """Create what is missing: tables, users, clients."""
    from django.contrib.auth import get_user_model
    from oauth2_provider.models import get_application_model

    call_command("migrate", verbosity=0)
    users, applications = get_user_model().objects, get_application_model().objects
    for name, password in CONFIGURATION["users"].items():
        if not users.filter(username=name).exists():
            users.create_user(name, email=name, password=password)
    for client in CONFIGURATION["clients"]:
        if not applications.filter(client_id=client["client_id"]).exists():
            applications.create(client_type="confidential", algorithm="RS256", **client)


if __name__ == "__main__":
    django.setup()
    fill()
    basehttp.run("localhost", CONFIGURATION["port"], basehttp.get_internal_wsgi_application(), threading=True)
