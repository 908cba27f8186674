"""Compares our step with the Dia inside transformers on the same random weights: logits, and codes of greedy search.

In float32 the codes are expected to be equal. In bfloat16 two roundings of nearly equal scores may differ, after which
the clips go on differently; the rows until then are reported.
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from models import (
    Results,
    config_for,
    first_difference,
    forget_steps,
    inputs_for,
    part_options,
    random_model,
    stock_like,
    tiny_config,
)

ROWS, TINY_ROWS = 48, 20
CASES = {"greedy": {}, "greedy, guided": {"guidance_scale": 3.0, "top_k": 45}}
PLAIN = {"max_time": 3600.0}  # only the plain loop watches the time


@torch.no_grad()
def compare_logits(model: Any, stock: Any, results: Results, shape: str) -> None:
    """Note the largest difference of the logits of one forward pass, relative to their largest value."""
    inputs = inputs_for(model, range(2))
    ours, theirs = (one(**inputs).logits.float() for one in (model, stock))
    distance = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    results.add(kind="logits", shape=shape, dtype=str(model.dtype)[6:], relative_difference=distance)


def compare_codes(model: Any, stock: Any, results: Results, shape: str) -> None:
    """Note where the codes of two clips first differ from the stock model's: of the step and of our plain loop."""
    count = TINY_ROWS if model.device.type == "cpu" else ROWS
    for name, settings in CASES.items():
        inputs = inputs_for(model, range(2))
        wanted = {**settings, "do_sample": False, "max_new_tokens": count}
        model.generation_config.do_sample = False
        unset = {"temperature": None, "top_p": None} | ({} if settings else {"guidance_scale": None, "top_k": None})
        expected = stock.generate(**{key: tensor.clone() for key, tensor in inputs.items()}, **wanted)
        for path, how in (("step", {}), ("plain loop", PLAIN)):
            grids = model.generate(**inputs, **{**unset, **wanted, **how})
            rows = [first_difference(one, other) for one, other in zip(grids, expected, strict=True)]
            entry = {"case": name, "path": path, "rows": count, "first_difference": rows}
            results.add(kind="codes", shape=shape, dtype=str(model.dtype)[6:], equal=rows == [None, None], **entry)


def examine(config: Any, shape: str, dtype: torch.dtype, results: Results, device: str) -> None:
    """Compare one shape in one dtype."""
    model = random_model(config, device, dtype)
    stock = stock_like(model)
    for work in (compare_logits, compare_codes):
        results.attempt(f"{work.__name__}, {shape}, {dtype}", partial(work, model, stock, results, shape))
    forget_steps(model)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare a small and the true shape, in float32 and bfloat16."""
    options = part_options(arguments, __doc__ or "")
    results = Results(options.json, options.device)
    shapes = {"tiny": tiny_config()} if options.tiny else {"tiny": tiny_config(), "1.6B": config_for(False)}
    for shape, config in shapes.items():
        for dtype in (torch.float32, torch.bfloat16):
            name = f"{shape}, {str(dtype)[6:]}"
            results.attempt(name, partial(examine, config, shape, dtype, results, options.device))
    return int(bool(results.content["errors"]))


if __name__ == "__main__":
    sys.exit(main())
