"""Organisations, people, roles, keys and API tokens."""
