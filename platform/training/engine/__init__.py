"""A job moves: rounds, steps, orders and their answers."""
