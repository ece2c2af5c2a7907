"""What every REST endpoint shares: problem details, pages, idempotency, scopes, throttles."""
