"""What each subcommand is, and what all of them need."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent import config
from edge_agent.config import AgentConfig
from edge_agent.drivers import brands


@dataclass(frozen=True, slots=True)
class Subcommand:
    """`prepare` adds its arguments, `perform` returns the exit code.

    0 is good, 1 says that something is wrong at the site, 2 that the configuration or the call is.
    """

    name: str
    summary: str
    prepare: Callable[[ArgumentParser], None]
    perform: Callable[[Namespace], int]


def no_arguments(_parser: ArgumentParser) -> None:
    """For a subcommand that takes none of its own."""


def configuration(arguments: Namespace) -> AgentConfig:
    """The configuration that is named on the command line. Raises ConfigError."""
    return config.load(arguments.config, {name: brand.config for name, brand in brands.installed().items()})
