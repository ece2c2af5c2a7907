"""REST: organisations, people and their roles, signatory keys, one's own tokens."""
