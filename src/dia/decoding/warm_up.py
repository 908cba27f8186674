"""Makes a model ready before its first clip: kernels compiled, the engine's step recorded, one clip generated."""

import time
from dataclasses import dataclass
from typing import Any

import torch

from dia.decoding.engine import config_for, engine_of
from dia.decoding.step.prefill import SlotRequest
from dia.decoding.step.runner import GraphRunner, StepReport, runner_for
from dia.decoding.step.sampler import PlainLoopNeeded

_TEXT, _ROWS = 8, 3  # of the clip that is generated: ids and new rows


@dataclass(frozen=True)
class WarmUp:
    """What is ready.

    Attributes:
        seconds: how long it took.
        step: how the step of the engine runs; None if this model always runs the plain loop.
        plain_loop_reason: why it does.
    """

    seconds: float
    step: StepReport | None
    plain_loop_reason: str = ""

    def __str__(self) -> str:
        if self.step is None:
            return f"ready after {self.seconds:.1f} s, with the plain loop, because {self.plain_loop_reason}"
        step = self.step
        recordings = f", recorded for {len(step.spans)} lengths" if step.spans else ""
        return (
            f"ready after {self.seconds:.1f} s: {step.slots} slots of {step.rows} rows, {step.mode}{recordings}; "
            f"attention: {step.attention}, of the text: {step.text_attention}"
        )


def warm_up(model: Any, slots: int | None = None) -> WarmUp:
    """Make the engine of a model ready for clips with the model's default settings. See `Dia.warm_up`.

    Args:
        model: the `DiaForConditionalGeneration`.
        slots: how many clips the engine generates at once from now on; by default as many as before.

    Raises:
        TypeError, ValueError: `slots` is not a whole number from 1 on.
        MemoryError: a clip does not fit into memory.
    """
    began, engine = time.perf_counter(), engine_of(model)
    if slots is not None:
        engine.set_slots(slots)
    text = torch.ones(1, _TEXT, dtype=torch.long, device=model.device)
    try:
        request = model.slot_request(text, max_new_tokens=_ROWS)
    except PlainLoopNeeded as reason:
        model.generate(text, max_new_tokens=_ROWS)
        return WarmUp(time.perf_counter() - began, None, str(reason))
    config = config_for(model, request.config, engine.load().slots)
    with torch.no_grad(), runner_for(model, config) as runner:
        runner.prepare()
        _generate(runner, request)
        report = runner.report()
    return WarmUp(time.perf_counter() - began, report)


def _generate(runner: GraphRunner, request: SlotRequest) -> None:
    """Generate a clip, not in the engine's thread, which would still have the step when this one goes on."""
    step, start = runner.step, request.prefill()
    step.refresh()
    step.join(0, start)
    if start.logits is not None:
        step.begin([0], [start])
    while step.written[0] < step.limits[0]:
        runner()
    step.ids[0].cpu()  # waits for a GPU


__all__ = ["WarmUp", "warm_up"]
