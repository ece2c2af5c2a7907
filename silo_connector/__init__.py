"""The silo connector: a relay that has the network and a trainer that has the data, with a spool between them."""

VERSION = "0.1.0"
