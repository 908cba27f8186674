"""Runs the command `dia` as `python -m dia`."""

import sys

from dia.cli import main

sys.exit(main())
