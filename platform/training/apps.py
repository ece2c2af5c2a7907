"""The app of jobs."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    """Registers the app's checks of settings."""

    name = "training"

    def ready(self) -> None:
        """Once settings and models are there."""
        from artefacts import checks as _  # noqa: F401 - both register themselves
        from training import checks  # noqa: F401
