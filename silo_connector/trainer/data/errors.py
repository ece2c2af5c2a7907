"""What is wrong with a silo's data."""

from __future__ import annotations

from federation.errors import FederationError


class DataError(FederationError):
    """The data are not as declared. Only `code` may go to the platform: `message` names file, row, column and value."""
