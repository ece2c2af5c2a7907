"""The static files as they are collected for web: complete, compressed, and each module there once."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as given
from django.core.management import call_command
from django.test import Client

from config.static_files import HashedFiles

USED = re.compile(r"""\{% static ['"]([^'"]+)['"] %\}""")
IMPORTED = re.compile(r"""from\s+["']\./([^"']+)["']""")


@pytest.fixture
def collected(settings: Any, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = str(tmp_path)
    settings.WHITENOISE_USE_FINDERS = False
    settings.WHITENOISE_KEEP_ONLY_HASHED_FILES = True
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": f"{HashedFiles.__module__}.{HashedFiles.__qualname__}"},
    }
    call_command("collectstatic", "--no-input", verbosity=0)
    return tmp_path


def test_what_pages_name_is_there_compressed_and_kept_for_ever(collected: Path) -> None:
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    used = {
        name for page in (Path(given.ROOT) / "templates").rglob("*.html") for name in USED.findall(page.read_text())
    }
    assert "plotly/plotly.min.js" in used
    assert used <= set(names)
    assert not list(collected.rglob("widgetbundle*"))
    bundle = collected / f"{names['plotly/plotly.min.js']}.gz"
    assert bundle.stat().st_size < 2e6
    answer = Client().get(f"/static/{names['plotly/plotly.min.js']}", headers={"accept-encoding": "gzip"})
    assert (answer["Content-Encoding"], answer["Content-Type"]) == ("gzip", 'text/javascript; charset="utf-8"')
    assert "immutable" in answer["Cache-Control"]
    assert gzip.decompress(answer.getvalue())[:10]


def test_a_module_that_two_name_is_loaded_once(collected: Path) -> None:
    """By its hashed name from the page and from another module: else it would run twice."""
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    modules = [collected / name for source, name in names.items() if source.startswith("js/")]
    imported = {f"js/{name}" for module in modules for name in IMPORTED.findall(module.read_text())}
    assert imported
    assert imported <= set(names.values())
