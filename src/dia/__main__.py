"""`python -m dia` is the command `dia`."""

import sys

from dia.cli import main

sys.exit(main())
