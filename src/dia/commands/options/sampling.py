"""The options that choose how codes are sampled."""

import argparse

from dia.commands.options.numbers import option, seed_number


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose how codes are sampled."""
    group = parser.add_argument_group("sampling (defaults are the model's)")
    group.add_argument("--seed", type=seed_number, metavar="N", help="seed for a reproducible result")
    group.add_argument(
        "--max-tokens",
        type=option("max_tokens", int),
        metavar="ROWS",
        help="maximum number of rows of codes, including those of a voice and of the delay",
    )
    group.add_argument(
        "--cfg-scale",
        type=option("cfg_scale"),
        metavar="S",
        help="guidance scale; higher values follow the text more closely",
    )
    group.add_argument(
        "--temperature",
        type=option("temperature"),
        metavar="T",
        help="higher values vary more; 0 always takes the likeliest code",
    )
    group.add_argument(
        "--top-p", type=option("top_p"), metavar="P", help="sample from the likeliest codes with total probability P"
    )
    group.add_argument(
        "--top-k",
        type=option("cfg_filter_top_k", int),
        metavar="K",
        help="sample from the K candidates that guidance selects",
    )


__all__ = ["add_sampling_options"]
