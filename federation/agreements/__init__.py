"""Data-use agreements: what they say, whether they contradict themselves, and what they allow."""
