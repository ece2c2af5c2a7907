"""The trainer's side of the runner, which executes training plans."""
