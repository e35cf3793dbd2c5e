"""`python -m edge_agent [--config PATH]`."""

import argparse
import sys
from pathlib import Path

from edge_agent import config
from edge_agent.agent import run
from edge_agent.drivers import brands
from edge_agent.store import StoreUnusable


def main() -> int:
    """Run the agent; 2 when its configuration or its store cannot be used."""
    parser = argparse.ArgumentParser(prog="edge_agent", description="Bridge between the cloud and the LAN's printers")
    parser.add_argument("--config", type=Path, default=config.DEFAULT_PATH, help="configuration file (mode 600)")
    arguments = parser.parse_args()
    try:
        settings = config.load(arguments.config, {name: brand.config for name, brand in brands.installed().items()})
        run(settings)
    except (config.ConfigError, StoreUnusable) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
