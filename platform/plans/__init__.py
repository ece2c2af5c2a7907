"""Training plans: code that members wrote, kept as it was uploaded, read by people of every organisation, never run
here.
"""
