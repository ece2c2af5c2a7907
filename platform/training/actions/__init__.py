"""What is done to jobs: launched, steered, moved from round to round, answered by silos."""
