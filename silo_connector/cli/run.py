"""``silo-connector run``: the processes."""

from __future__ import annotations

import argparse


def relay(options: argparse.Namespace) -> int:
    """The process with the network."""
    from silo_connector import config as configuration
    from silo_connector.relay import process

    return process.main(configuration.load(options.config))


def trainer(options: argparse.Namespace) -> int:
    """The process with the data."""
    from silo_connector import config as configuration
    from silo_connector.trainer import process

    return process.main(configuration.load(options.config), allow_network=options.allow_network)


def runner(options: argparse.Namespace) -> int:
    """The process that runs training plans."""
    from silo_connector import runner_settings
    from silo_connector.runner import process

    return process.main(runner_settings.load(options.config), allow_network=options.allow_network)
