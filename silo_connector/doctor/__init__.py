"""The doctor: looks at one thing after the other, says what is wrong and what to do about it."""
