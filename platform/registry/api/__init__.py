"""REST: models, their versions, cards and weights."""
