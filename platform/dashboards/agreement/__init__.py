"""The pages of agreements: text, state, negotiation, signatures."""
