"""The library that the platform and the silo connector share: documents, keys, learning, aggregation."""

__version__ = "0.2.0"
"""The version of all that this repository builds: platform, connector, images."""
