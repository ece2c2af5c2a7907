"""Training plans: uploaded, read with their differences, approved or refused."""
