"""Aggregation: many silos' updates and one global model become the next model, in blocks, with numpy alone."""
