"""Training plans: code that members wrote, kept as it was uploaded, read by people of every house, never run here."""
