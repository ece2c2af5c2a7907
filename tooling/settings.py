"""The platform's settings, with the commands that only a checkout has: `manage.py … --settings tooling.settings`."""

from config.settings import *  # noqa: F403 - all of them, as they are
from config.settings import INSTALLED_APPS as _OF_THE_PLATFORM

INSTALLED_APPS = [*_OF_THE_PLATFORM, "tooling", "benchmarks", "demo"]
