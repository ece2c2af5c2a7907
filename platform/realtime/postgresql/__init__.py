"""Django's PostgreSQL, reading moments faster: what `DATABASES` names as its engine."""
