"""`run`: the agent itself, until it is told to stop."""

from argparse import Namespace
from pathlib import Path

from edge_agent import logs
from edge_agent.agent import run
from edge_agent.cli.subcommand import Subcommand, configuration, no_arguments
from edge_agent.complaints import NEEDED, not_configured
from edge_agent.config import DEFAULT_PATH, ConfigError
from edge_agent.config_manager import ConfigManager

LOG_FILE = Path("~/.printmaster/logs/client.log")
"""Where the log goes, besides standard output, with the default configuration, unless that says otherwise."""


def _perform(arguments: Namespace) -> int:
    usual = LOG_FILE if arguments.config == DEFAULT_PATH else None
    try:
        settings = configuration(arguments)
    except ConfigError as error:
        _keep_log(usual)
        _complain(arguments.config, error)
        raise
    _keep_log(settings.log_file or usual)
    run(settings, path=arguments.config)
    return 0


def _keep_log(path: Path | None) -> None:
    """An agent that cannot write its log works all the same."""
    if path is None:
        return
    try:
        logs.keep(path.expanduser())
    except OSError as error:
        logs.log("log_file_unusable", "WARNING", path=path, reason=str(error))


def _complain(path: Path, error: ConfigError) -> None:
    known = ConfigManager(path)
    present = (known.get_backend_url(), known.get_api_key(), known.get_recipient_id())
    missing = [name for name, value in zip(NEEDED, present, strict=True) if not value]
    sentence = not_configured(missing) if missing else None
    logs.log("configuration_unusable", "ERROR", message=sentence, reason=str(error))


COMMAND = Subcommand("run", "run the agent (the default)", no_arguments, _perform)
