"""What the trainer does for each kind of order."""
