"""What happened, of which a person may know: a list to narrow, and to take away."""
