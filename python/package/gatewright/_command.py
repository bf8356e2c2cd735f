"""The command `gatewright`."""

import signal
import sys

from gatewright._gatewright import command


def main() -> int:
    """Run the command line with this program's arguments; returns the exit code."""
    # A closed pipe ends the program, and Ctrl-C is the program's own to handle.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return command(sys.argv)
