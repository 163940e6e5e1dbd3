"""The project's WSGI application ($PADDOCK_WSGI, module:name), with the static files
of its apps in front of it as `manage.py runserver` has them."""

import importlib
import os

module, _, name = os.environ["PADDOCK_WSGI"].partition(":")
application = getattr(importlib.import_module(module), name)

from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402

if settings.DEBUG and apps.is_installed("django.contrib.staticfiles"):
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    application = StaticFilesHandler(application)
