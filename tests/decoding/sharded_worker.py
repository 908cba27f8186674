"""One of two processes with sharded weights, started by `test_sharded.py` with torch.distributed.run."""

import torch
import torch.distributed as dist
from tiny import EOS, prompts, texts, tiny_model
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

dist.init_process_group("gloo")
torch.set_num_threads(1)
model = tiny_model()
model.logits_dense.weight.data[EOS] *= 2.5  # so that clips end on their own
inputs = [{**texts(9, 4, 12), **prompts(0, 0, 0)}, {**texts(7, 11), **prompts(0, 0)}][dist.get_rank()]
alone = model.generate(**inputs, max_new_tokens=50, guidance_scale=3.0)
mesh = init_device_mesh("cpu", (2,))
for layer in [*model.model.encoder.layers, *model.model.decoder.layers]:
    fully_shard(layer, mesh=mesh)
fully_shard(model, mesh=mesh)
register_fsdp_forward_method(model, "generate")
together = model.generate(**inputs, max_new_tokens=50, guidance_scale=3.0)
print(f"{len(alone[0])} rows, {'equal' if torch.equal(alone, together) else 'different'}", flush=True)
dist.destroy_process_group()
