"""REST: agreements, negotiated, signed and suspended."""
