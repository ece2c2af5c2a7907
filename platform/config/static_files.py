"""Static files as they are collected: compressed, and under names that change with what is in them.

A browser may then keep each for ever. Without `STATIC_ROOT`, web serves the sources as they lie, for development.
"""

from __future__ import annotations

from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class StaticFiles(StaticFilesConfig):
    """Django's, without what comes beside Plotly's bundle in its package."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "widgetbundle.js", "datasets"]


class HashedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Our own modules name each other by their hashed names; what others wrote is left as it is."""

    patterns = (("js/*.js", ((r"""(?P<matched>from\s+["'](?P<url>\./[^"']+)["'])""", 'from "%(url)s"'),)),)
