"""What one would write without `dia serve`: the library behind FastAPI, in its pool of threads, without streaming.

    python benchmarks/serving/baseline.py 8001

It answers the same requests for pcm as `dia serve` does, for `playing.py`.
"""

import sys
from typing import Any

import numpy as np
import soxr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response
from playing import RATE

from dia import Dia

model = Dia.from_pretrained("mini")
model.warm_up()
app = FastAPI()


@app.post("/v1/audio/speech")
def speech(body: dict[str, Any]) -> Response:
    """Speak a script; FastAPI calls this in one of 40 threads."""
    take = model.speak(body["input"], seed=body["seed"])
    samples = soxr.resample(take.audio, model.sample_rate, RATE)
    return Response((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes(), media_type="audio/pcm")


@app.get("/ready")
def ready() -> str:
    """The model is loaded before the port is open."""
    return "ready"


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False)
