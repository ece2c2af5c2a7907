"""What is measured: against limits and against published results. Nothing here is a test."""
