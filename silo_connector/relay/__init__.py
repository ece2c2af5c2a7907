"""The relay: has the network, and neither data nor the silo's keys. It trusts neither the platform nor the spool."""
