"""The plain loop: writes the grid row by row with the model itself, for calls that the fast step does not support.

Shapes: B clips, R grid rows, C channels, V ids of one channel.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from dia.decoding.cache import CACHE
from dia.decoding.call.call import Call
from dia.decoding.call.records import Records
from dia.decoding.call.streamers import emit
from dia.decoding.sampling import EndFlag, token_chooser


def write_plainly(model: Any, call: Call) -> tuple[int, Records]:
    """Write rows until every channel has ended; returns the number of rows and the recorded outputs.

    Raises:
        ValueError: the call's cache has the last row of the prompt, or rows after it.
    """
    grid, streamer, records = call.grid, call.streamer, Records(call.settings)
    draw = token_chooser(call.keys)
    over, done = EndFlag(grid.ids.device), grid.ids.new_zeros(grid.ids.shape[0], dtype=torch.bool)
    wanted = emit(streamer, grid.rows(0, grid.prefilled))
    seen, row = 0 if call.cache is None else int(call.cache.get_seq_length()), grid.prefilled
    if seen >= row:
        raise ValueError(
            f"`{CACHE}` has {seen} rows for {row} rows of prompt; the last row of the prompt must not be cached."
        )
    while wanted and row < call.settings.max_length:
        _any_unfinished(model, call, finished=False)
        outputs = run_rows(model, call, seen, row)
        logits = outputs.logits[:, -1].to(grid.ids.device, torch.float32, copy=True)  # [B · C or 2 · B · C, V]
        scores = call.rules(grid.ids[:, :row], logits)
        records.add(outputs, logits, scores)
        drawn = draw(scores, row - grid.prefilled).masked_fill(done, call.settings.pad_token_id)
        grid.ids[:, row] = torch.where(grid.forced[:, row] == grid.pad, drawn, grid.forced[:, row])
        seen, row = (0 if call.cache is None else row), row + 1
        done = done | call.criteria(grid.ids[:, :row], scores)
        wanted = emit(streamer, grid.rows(row - 1, row)[:, 0])
        if over(done):
            break
    while _any_unfinished(model, call, finished=True):
        _run_idle_step(model, call)
    return grid.written(row), records


def run_rows(forward: Callable[..., Any], call: Call, start: int, stop: int) -> Any:
    """Run the decoder over rows start…stop − 1. After the first call that is a single row.

    Args:
        forward: the model, or its `forward`, which is never compiled.
        call: the call.
        start: the first row.
        stop: the row after the last.
    """
    grid, halves, positions = call.grid, 2 if call.guided else 1, call.positions[:, start:stop]
    return forward(
        attention_mask=call.text.mask,
        decoder_input_ids=grid.rows(start, stop).repeat(halves, 1, 1),
        decoder_attention_mask=None if grid.mask is None else grid.mask[:, :stop].repeat(halves, 1),
        decoder_position_ids=positions if len(positions) == 1 else positions.repeat(halves, 1),
        encoder_outputs=call.text.states,
        use_cache=call.cache is not None,
        logits_to_keep=1,
        return_dict=True,
        **{CACHE: call.cache},
        **call.model_kwargs,
    )


def _any_unfinished(model: Any, call: Call, finished: bool) -> bool:
    """Whether any process of the group is unfinished; False if processes are not synchronized.

    Args:
        model: the model.
        call: the call.
        finished: whether this process has finished.
    """
    return call.synced and bool(model._has_unfinished_sequences(finished, True, call.grid.ids.device))


def _run_idle_step(model: Any, call: Call) -> None:
    """Run a step whose result is dropped, because the other processes need this process's weight shards."""
    unmasked = replace(call.grid, mask=None)
    last = call.grid.prefilled
    run_rows(model, replace(call, grid=unmasked, cache=None, model_kwargs={}), last - 1, last)


__all__ = ["run_rows", "write_plainly"]
