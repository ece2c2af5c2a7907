"""The pages of one consortium: who takes part, what they have, what they do."""
