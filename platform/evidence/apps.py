"""The app of evidence; it has no tables of its own."""

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    """Evidence."""

    name = "evidence"
