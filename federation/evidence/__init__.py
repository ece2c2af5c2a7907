"""What leaves a platform as evidence of a job, and what anybody can check of it without the platform."""
