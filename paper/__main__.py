"""`python -m paper`: the paper exchange as a process of its own."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop; return 0, or 2 after one sentence on what cannot be used."""
    from errors import ConfigError  # noqa: PLC0415 - nothing loads before main is asked
    from paper.server_options import read_options  # noqa: PLC0415
    from paper.server_run import serve  # noqa: PLC0415

    try:
        serve(read_options(arguments), lambda line: print(line, flush=True))
    except ConfigError as error:
        print(f"paper exchange: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
