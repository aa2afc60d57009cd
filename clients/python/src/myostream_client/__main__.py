"""`python -m myostream_client`."""

import sys

from .command_line import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m myostream_client"))
