"""The second factor of signing in: six digits that an app makes, or a recovery code."""
