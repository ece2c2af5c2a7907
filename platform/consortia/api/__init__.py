"""REST: consortia, who takes part, invitations, roles, the record of what happened, and who you are."""
