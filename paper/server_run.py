"""The process of the paper exchange: listening, saying so, and ending cleanly on a signal or when its parent is gone."""

import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import uvicorn
from loguru import logger

from errors import ConfigError
from paper.opening import Opened, open_exchange
from paper.server import build_app
from paper.server_options import Options

_LONGEST_GOODBYE = 1
_LONGEST_MESSAGE = 2**18
# Answers leave at once: the sockets accepted inherit it. Without it each waits 40 ms for the acknowledgement of its headers.
_TCP, _NO_DELAY = 6, 1
_ONCE = 10**9  # seconds between two notices of uvicorn; the first comes as soon as it listens


def serve(options: Options, say: Callable[[str], None]) -> None:
    """Serve until a signal, or the end of standard input if so asked; raise ConfigError if serving cannot begin."""
    logger.remove()
    logger.add(sys.stderr, level="INFO", diagnose=False)  # a diagnosis shows values, and keys are among them
    opened = open_exchange(options.exchange)
    config = _config(options, opened)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    try:
        listener = config.bind_socket()
    except (SystemExit, OSError) as error:
        raise ConfigError(f"port {options.port} on {options.host} cannot be listened on: it is taken or not allowed") from error
    listener.setsockopt(_TCP, _NO_DELAY, 1)
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{listener.getsockname()[1]}"

    async def ready() -> None:
        gc.collect()
        gc.freeze()
        if options.ready_file is not None:
            _announce(options.ready_file, url, opened)
        say(f"paper exchange listening on {url} ({_described(options)})")

    config.callback_notify, config.timeout_notify = ready, _ONCE
    server = uvicorn.Server(config)
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again after its goodbye, which must not end us with an error
        signal.signal(number, lambda *_: None)
    if options.parent_pipe:
        threading.Thread(target=_end_with_parent, args=(server,), daemon=True, name="parent-pipe").start()
    server.run(sockets=[listener])


def _config(options: Options, opened: Opened) -> uvicorn.Config:
    policy = replace(options.server, stream=replace(options.server.stream, speed=opened.speed))
    return uvicorn.Config(
        build_app(opened.exchange, policy),
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,  # answers carry their own, which a rehearsal may make wrong
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_LONGEST_GOODBYE,
        ws="websockets-sansio",
        ws_max_size=_LONGEST_MESSAGE,
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # the venue's clients ask for signs of life, not the venue
    )


def _announce(file: Path, url: str, opened: Opened) -> None:
    """Write the ready file in one step, so that whoever sees it sees all of it."""
    told = {
        "url": url,
        "pid": os.getpid(),
        "speed": opened.speed,
        "market_start": opened.market_start.isoformat(),
        "wall_start": opened.wall_start.isoformat(),
        "spacing_seconds": None if opened.spacing is None else opened.spacing.total_seconds(),
    }
    draft = file.with_name(f"{file.name}.{os.getpid()}.part")
    draft.write_text(json.dumps(told), encoding="utf-8")
    draft.replace(file)


def _described(options: Options) -> str:
    exchange = options.exchange
    state = "in memory" if exchange.state_dir is None else f"state in {exchange.state_dir}"
    return f"market {exchange.market}, speed {exchange.speed:g}, {state}, accounts {', '.join(_names(options))}"


def _names(options: Options) -> Iterable[str]:
    return dict.fromkeys(account.name for account in options.exchange.accounts)


def _end_with_parent(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        continue
    server.should_exit = True
