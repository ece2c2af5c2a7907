"""Consortia, who takes part in them, and invitations."""
