"""`python -m dia.training.mini.pretraining` trains the language model alone."""

from dia.training.mini.pretraining.trainer import main

main()
