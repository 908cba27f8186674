"""`python -m dia.training.mini` makes the embedded model from nothing."""

from dia.training.mini.build import main

main()
