"""The page of one job: where it stands, how the model does, what every silo did."""
