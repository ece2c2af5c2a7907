"""What is documented, what is read from the environment, and what is used: the same, in both directions."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from celery.app.defaults import NAMESPACES, flatten
from django.conf import global_settings

from demo.services import ROOT

PLATFORM = ROOT / "platform"
SETTINGS = PLATFORM / "config" / "settings.py"
OF_COMPOSE = {"WEB_PORT", "POSTGRES_IMAGE"}
"""What docker-compose.yml alone takes."""
PACKAGES = {
    "ROOT_URLCONF": "django",
    "ACCOUNT_": "allauth.account",
    "MFA_": "allauth.mfa",
    "SOCIALACCOUNT_": "allauth.socialaccount",
    "WHITENOISE_": "whitenoise",
    "REST_FRAMEWORK": "rest_framework",
    "SPECTACULAR_SETTINGS": "drf_spectacular",
}
"""Whose settings begin so. They take them by name, or by what follows this."""


def sources() -> list[str]:
    """The platform's modules, but for the settings."""
    return [path.read_text() for path in PLATFORM.rglob("*.py") if path != SETTINGS]


@cache
def package_source(name: str) -> str:
    spec = find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations
    return "\n".join(path.read_text() for path in Path(spec.submodule_search_locations[0]).rglob("*.py"))


def names_set() -> list[str]:
    """Every setting that the module makes, without those for itself alone (`_name`)."""
    stored = [
        node.id
        for statement in ast.parse(SETTINGS.read_text()).body
        if not isinstance(statement, ast.FunctionDef)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id.isupper()
    ]
    return sorted(set(stored))


def is_read(name: str) -> bool:
    """Whether Django, a package, the platform, or the settings themselves read it."""
    if hasattr(global_settings, name):
        return True
    if name.startswith("CELERY_"):
        return name.removeprefix("CELERY_").lower() in dict(flatten(NAMESPACES)) or name in package_source("celery")
    for prefix, package in PACKAGES.items():
        if name.startswith(prefix):
            by = rf"\b{name}\b" + (rf"|['\"]{rest}['\"]" if (rest := name.removeprefix(prefix)) else "")
            return re.search(by, package_source(package)) is not None
    loaded = {
        node.id
        for node in ast.walk(ast.parse(SETTINGS.read_text()))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return name in loaded or any(re.search(rf"\bsettings\.{name}\b", text) for text in sources())


def test_every_variable_is_explained_and_every_one_that_is_explained_is_read() -> None:
    asked = [re.findall(r'\benv\.\w+\(\s*"(\w+)"', text) for text in (*sources(), SETTINGS.read_text())]
    read = {name for names in asked for name in names}
    content = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.sample").read_text(), re.MULTILINE))
    assert "SECRET_KEY" in read
    assert content - OF_COMPOSE == read


def test_every_setting_is_used() -> None:
    names = names_set()
    assert len(names) > 80
    assert [name for name in names if not is_read(name)] == []


def test_a_setting_that_nobody_reads_is_noticed() -> None:
    assert not is_read("UPLOAD_NORM_L2_MAX")
    assert not is_read("CELERY_NO_SUCH_OPTION")
    assert not is_read("ACCOUNT_NO_SUCH_OPTION")
