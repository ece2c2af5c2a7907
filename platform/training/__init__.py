"""Jobs, rounds, steps, orders and submissions, and what moves them."""
