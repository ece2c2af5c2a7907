"""``python -m silo_connector.cli``."""

import sys

from silo_connector.cli import main

sys.exit(main())
