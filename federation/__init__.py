"""The library that the platform and the silo connector share: documents, keys, learning, aggregation."""
