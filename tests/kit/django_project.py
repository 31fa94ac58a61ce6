"""Django configured once for a whole run, as a new project would be, with a database of its own."""

import tempfile
from pathlib import Path

import django
from django.conf import settings


def configure() -> None:
    """Set Django up unless that was done already."""
    if settings.configured:
        return
    settings.configure(
        SECRET_KEY="of a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": Path(tempfile.mkdtemp(prefix="opengiro-kit-")) / "shop.db",
                "OPTIONS": {"timeout": 10},
            }
        },
        # The form token is on, as in every new project.
        MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
        ROOT_URLCONF=(),
    )
    django.setup()
