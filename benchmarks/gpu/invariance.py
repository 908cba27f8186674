"""Whether the codes of a clip depend on the clips beside it, on a GPU: reported, not asserted.

Two questions: is a clip the same in batches of other sizes (`generate`), and in an engine with a fixed number of
slots, alone and with all slots in use? Products of other sizes may use other algorithms, which round differently.
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from models import Results, config_for, first_difference, forget_steps, inputs_for, part_options, random_model
from torch import Tensor

from dia.decoding.engine import Engine

ROWS, TINY_ROWS, WATCHED = 40, 12, 4  # new rows; clips whose codes are compared


def rows_for(model: Any) -> int:
    """New rows of a clip."""
    return TINY_ROWS if model.device.type == "cpu" else ROWS


def arguments_of(model: Any, number: int) -> dict[str, Any]:
    """The arguments of `generate` for one clip, with a length of text and a generator of its own."""
    inputs = inputs_for(model, [number], 40 + 12 * (number % 8))
    generator = torch.Generator(model.device).manual_seed(number)
    return {**inputs, "generator": generator, "max_new_tokens": rows_for(model)}


def alone(model: Any) -> list[Tensor]:
    """The grids of the watched clips, each by itself."""
    return [model.generate(**arguments_of(model, number))[0].cpu() for number in range(WATCHED)]


def in_a_batch(model: Any, clips: int) -> list[Tensor]:
    """The grids of the watched clips in a batch of clips, which pads their texts."""
    each = [arguments_of(model, number) for number in range(clips)]
    longest = max(one["input_ids"].shape[1] for one in each)
    inputs = {
        name: torch.cat([torch.nn.functional.pad(one[name], (0, longest - one[name].shape[1])) for one in each])
        for name in ("input_ids", "attention_mask")
    }
    for name in ("decoder_input_ids", "decoder_attention_mask"):
        inputs[name] = torch.cat([one[name] for one in each])
    generators = [one["generator"] for one in each]
    return [*model.generate(**inputs, generator=generators, max_new_tokens=rows_for(model))[:WATCHED].cpu()]


def in_an_engine(model: Any, slots: int, clips: int) -> list[Tensor]:
    """The grids of the watched clips in an engine, beside others or each by itself."""
    with Engine(model, slots=slots) as engine:
        if clips == 1:
            each = [engine.submit(model.slot_request(**arguments_of(model, n))).result() for n in range(WATCHED)]
        else:
            tickets = [engine.submit(model.slot_request(**arguments_of(model, number))) for number in range(clips)]
            each = [ticket.result() for ticket in tickets][:WATCHED]
    return each


def compare(results: Results, where: str, dtype: torch.dtype, found: list[Tensor], expected: list[Tensor]) -> None:
    """Note in which rows clips first differ from their reference."""
    rows = [first_difference(one, other) for one, other in zip(found, expected, strict=False)]
    same = sum(row is None for row in rows)
    results.add(where=where, dtype=str(dtype)[6:], clips=len(rows), equal=same, first_difference=rows)


def examine(options: Any, results: Results, dtype: torch.dtype, sizes: Sequence[int]) -> None:
    """Compare batches and slots in one dtype."""
    model, most = random_model(config_for(options.tiny), options.device, dtype), sizes[-1]
    single = alone(model)
    for size in sizes:

        def batch(size: int = size) -> None:
            compare(results, f"alone and in a batch of {size}", dtype, in_a_batch(model, size), single)

        results.attempt(f"batch of {size}, {dtype}", batch)

    def engine() -> None:
        lonely, crowded = (in_an_engine(model, most, clips) for clips in (1, most))
        compare(results, f"{most} slots, one in use and all in use", dtype, crowded, lonely)
        compare(results, f"alone and in one of {most} slots", dtype, lonely, single)

    results.attempt(f"{most} slots, {dtype}", engine)
    forget_steps(model)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare batches and slots, in bfloat16 and float32."""
    options = part_options(arguments, __doc__ or "")
    results, sizes = Results(options.json, options.device), (2, 4) if options.tiny else (2, 8, 32)
    for dtype in (torch.bfloat16, torch.float32):
        results.attempt(f"{dtype}", partial(examine, options, results, dtype, sizes))
    return int(bool(results.content["errors"]))


if __name__ == "__main__":
    sys.exit(main())
