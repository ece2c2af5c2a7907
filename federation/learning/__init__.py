"""Models, local training and evaluation: the only place of the shared library that knows torch."""
