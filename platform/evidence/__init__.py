"""What was signed, given out to be checked offline: bundles, passports of models, heads of the audit log."""
