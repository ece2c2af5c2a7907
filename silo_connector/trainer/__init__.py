"""The trainer: has the data and the silo's keys, and no network."""
