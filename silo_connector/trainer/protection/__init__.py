"""How updates are protected on their way to the platform, as the trainer carries it out."""
