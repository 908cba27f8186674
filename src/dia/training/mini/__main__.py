"""`python -m dia.training.mini` builds the embedded model from scratch."""

from dia.training.mini.build import main

main()
