"""REST: training plans."""
