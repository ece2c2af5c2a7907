"""Training plans: code that members wrote themselves, named by its hash, read by people before it runs anywhere."""
