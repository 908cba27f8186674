"""Encodes the text of a call, and the unconditional text of guidance.

Shapes: B clips, n texts, S text length, E width of the encoder.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from dia.decoding.call.call import Call, EncodedText, read_part
from dia.runtime.resources.fingerprint import fingerprint, is_stateless, modules_of, weights_of

Encoder = Callable[..., Any]


def encode(encoder: Encoder, call: Call) -> EncodedText:
    """Encode the text. With guidance, the second half of the batch is the unconditional text."""
    text, guided, states = call.given_text, call.guided, call.given_text.states
    ids, mask, copies = text.ids, text.mask, text.copies
    masks = mask.repeat(2, 1) if guided and mask is not None else mask
    whole = guided and bool(text.wanted) and states is None  # the caller asks for outputs of both halves
    if ids is not None:
        if whole or text.wanted or call.synced or ids.device.type != "cpu":
            given = (torch.cat([ids, torch.zeros_like(ids)]), masks) if whole else (ids, mask)
            states = encoder(input_ids=given[0], attention_mask=given[1], return_dict=True, **text.wanted)
        else:
            states = _encode_each(encoder, ids, mask)
    assert states is not None
    if guided and not whole:
        states = _with_unconditional(encoder, states)
    if masks is not None and bool(masks.all()):
        masks = None  # nothing is padded, so no step has to build a mask
    if copies > 1:
        repeated = states.last_hidden_state.repeat_interleave(copies, dim=0)
        states = BaseModelOutput(repeated, states.hidden_states, states.attentions)
        masks = None if masks is None else masks.repeat_interleave(copies, dim=0)
    return EncodedText(states, masks)


def _encode_each(encoder: Encoder, ids: Tensor, mask: Tensor | None) -> BaseModelOutput:
    """Encode texts one by one, [B, S, E]. In the last bits, the results of a batch depend on its other texts."""
    found = []
    for clip, text in enumerate(ids):
        own = None if mask is None else read_part(mask[clip])
        text = text if own is None else text[: len(own)]
        hidden = None if own is None or own.all() else own[None]
        states = encoder(input_ids=text[None], attention_mask=hidden, return_dict=True)
        padding = (0, 0, 0, ids.shape[1] - len(text))
        found.append(torch.nn.functional.pad(states.last_hidden_state, padding))
    return BaseModelOutput(torch.cat(found))


def _with_unconditional(encoder: Encoder, conditional: BaseModelOutput) -> BaseModelOutput:
    """Append the states of the unconditional text, which is zeros.

    Attention over equal values is that value, so all positions have the same state, and one of them is encoded.
    """
    states = conditional.last_hidden_state  # [B, S, E] → [2B, S, E]
    unconditional = _zero(encoder, states.device)
    return BaseModelOutput(torch.cat([states, unconditional.to(states).expand_as(states)]))


# The state of a zero of each encoder on a CPU, and the weights that it was computed with.
_zeros: WeakKeyDictionary[nn.Module, tuple[Any, Tensor]] = WeakKeyDictionary()


def _zero(encoder: Encoder, device: torch.device) -> Tensor:
    """The state of a zero, [1, 1, E]. On a CPU it is kept until a weight changes."""
    if not isinstance(encoder, nn.Module) or not is_stateless(parts := modules_of(encoder)):
        return _encode_zero(encoder, device)
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return _encode_zero(encoder, device)
    weights = weights_of(parts)
    if any(weight.device.type != "cpu" for weight in weights):
        return _encode_zero(encoder, device)
    found = _zeros.get(encoder)
    identity = fingerprint(weights, found and found[0])
    if found is None or found[0] != identity:
        found = _zeros[encoder] = identity, _encode_zero(encoder, device)
    return found[1]


def _encode_zero(encoder: Encoder, device: torch.device) -> Tensor:
    ids = torch.zeros(1, 1, dtype=torch.long, device=device)
    state: Tensor = encoder(input_ids=ids, return_dict=True).last_hidden_state
    return state


__all__ = ["encode"]
