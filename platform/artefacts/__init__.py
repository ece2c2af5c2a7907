"""The content-addressed store of models and updates, and its streams."""
