"""Data-use agreements: what the members negotiate, sign and are bound by."""
