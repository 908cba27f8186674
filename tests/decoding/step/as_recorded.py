"""Makes calls run as on a GPU, but on this CPU: a fixed step whose recordings are plain calls of the same function."""

from dataclasses import dataclass, field, replace

import pytest
import torch

from dia.decoding.call.call import sampler_for
from dia.decoding.step import config, runner, step
from dia.decoding.step.attention import UNFUSED, Attention
from dia.generation_dia import DiaGenerationMixin

SPAN = 16


def _counted(query, keys, values, counts, scaling):
    hidden = torch.arange(keys.shape[2]) >= counts[:, None]
    mask = torch.zeros_like(hidden, dtype=query.dtype).masked_fill(hidden, float("-inf"))[:, None, None]
    return UNFUSED.function(query, keys, values, mask, scaling)


MASKED = replace(UNFUSED, name="masked")
COUNTED = Attention("counted", _counted, counted=True)


@dataclass
class Builds:
    """What was made: spans of recordings, and configurations of steps."""

    spans: list[int] = field(default_factory=list)
    steps: list[config.DecodeConfig] = field(default_factory=list)


def record_plainly(patch: pytest.MonkeyPatch, attention: Attention) -> Builds:
    """Let all calls run as on a GPU with one implementation of attention; returns what they build."""
    builds, decode_config, made = Builds(), DiaGenerationMixin._decode_config, step.Step.__init__

    def for_a_gpu(model, call):
        found = decode_config(model, call)
        fixed = {"text": call.given_text.length, "sampler": sampler_for(call).kind}
        return replace(found, **fixed, recorded=True)

    def record(self, span):
        builds.spans.append(span)
        return lambda: self._run(span)

    def counted(self, model, wanted):
        builds.steps.append(wanted)
        made(self, model, wanted)

    patch.setattr(DiaGenerationMixin, "_decode_config", for_a_gpu)
    patch.setattr(runner.GraphRunner, "_record", record)
    patch.setattr(step.Step, "__init__", counted)
    patch.setattr(step, "attention_for_rows", lambda *_: attention)
    patch.setattr(step, "attention_for_text", lambda *_: attention)
    patch.setattr(config, "_SPAN", SPAN)
    return builds
