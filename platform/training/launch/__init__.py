"""A wish becomes a job that may start."""
