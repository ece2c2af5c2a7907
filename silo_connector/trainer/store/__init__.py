"""What the trainer keeps over restarts, and whether that is older than its journal says."""
