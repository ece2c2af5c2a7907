"""What the trainer does for each kind of order: one module a kind, and the registry that names them."""
