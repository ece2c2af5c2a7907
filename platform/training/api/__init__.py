"""REST: jobs from quote to metrics, and what a job may name."""
