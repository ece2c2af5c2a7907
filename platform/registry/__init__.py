"""Models: every round's version, the best one marked, download with a card."""
