"""Orders on their way in: the inbox, who signed them, what they ask, and whether that is allowed."""
