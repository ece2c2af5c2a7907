"""Waiting without threads: one LISTEN connection a process wakes long polls and event streams."""
