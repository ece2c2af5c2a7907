"""What is done with agreements: drafted and negotiated, taken from step to step, signed, suspended, ended."""
