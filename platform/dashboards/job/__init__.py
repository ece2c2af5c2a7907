"""The page of one job: where it is, how the model does, what every silo did."""
