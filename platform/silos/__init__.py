"""Silos: enrolment, keys, heartbeat, datasets, and the connector API."""
