"""The page of one model: its versions, how each does where, where it comes from."""
