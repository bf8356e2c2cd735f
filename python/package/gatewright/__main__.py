"""`python -m gatewright`: the command `gatewright`."""

import sys

from gatewright._command import main

sys.exit(main())
