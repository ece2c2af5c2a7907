"""``python -m silo_connector``."""

import sys

from silo_connector.cli import main

sys.exit(main())
