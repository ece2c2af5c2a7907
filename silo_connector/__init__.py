"""The silo connector: a relay that has the network and a trainer that has the data, with a spool between them."""

from federation import __version__

VERSION = __version__
