"""The model of a command: its options, and how it is loaded. Imports torch only to load it."""

import argparse
from typing import TYPE_CHECKING, Any

from dia.commands.options.numbers import number_in
from dia.runtime.limits import THREADS
from dia.runtime.resources.cores import CoreTimes
from dia.runtime.resources.threads import apply, choose_threads, wait_passively
from dia.runtime.standard_streams import print_lines

if TYPE_CHECKING:
    from dia.model import Dia

DTYPES = ("float32", "bfloat16", "float16")


def add_model_options(group: Any) -> None:
    """Add the options that `load_model` reads."""
    group.add_argument("--model", metavar="MODEL", help="folder or Hub id (default: the small embedded model)")
    group.add_argument("--device", metavar="NAME", help="cuda, mps, cpu, ... (default: the first available)")
    group.add_argument("--dtype", choices=DTYPES, help="data type of the model (default: the fastest that is safe)")
    group.add_argument(
        "--quantization", choices=("int8", "int4"), help="quantize the weights: less memory, faster on CPUs"
    )
    group.add_argument(
        "--threads", type=number_in(THREADS), metavar="N", help="CPU threads (default: chosen by model size and load)"
    )


def load_model(arguments: argparse.Namespace, hints: bool, verbose: bool = False) -> "Dia":
    """Load the model and set the number of CPU threads.

    Args:
        arguments: the options of `add_model_options`.
        hints: name the full model if the embedded one is used by default.
        verbose: print the number of threads.
    """
    since = CoreTimes.now()
    wait_passively()
    from transformers.utils import logging

    from dia.checkpoints.source import EMBEDDED
    from dia.model import REAL, Dia  # importing torch takes seconds, so arguments are checked first
    from dia.runtime.resources.memory import limit_process

    limit_process()
    if arguments.model is None and hints:
        print_lines(f"using the small embedded model; use --model {REAL} for the full one")
    logging.disable_progress_bar()  # hides loading; only the progress of speaking is shown
    model = Dia.from_pretrained(
        EMBEDDED if arguments.model is None else arguments.model,
        device=arguments.device,
        compute_dtype=arguments.dtype,
        quantization=arguments.quantization,
    )
    if model.device.type == "cpu":
        threads = choose_threads(model.model.num_parameters(), since, arguments.threads)
        apply(threads)
        if verbose:
            print_lines(threads)
    return model


__all__ = ["DTYPES", "add_model_options", "load_model"]
