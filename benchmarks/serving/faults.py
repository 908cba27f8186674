"""Try faults on `dia serve`: kills in mid-upload, a full disk, clients that connect and stall.

    python benchmarks/serving/faults.py kill --times 20
    python benchmarks/serving/faults.py full                   needs the right to mount a file system
    python benchmarks/serving/faults.py stall --clients 1000

`kill` ends the server with SIGKILL at a random moment of an upload, and looks for half-written voices after a restart:
each listed voice must speak, and each upload that was answered must be listed. `full` uploads voices to a
file system of 256 KiB until it is full; the server must answer with `storage_failed` and go on. `stall` opens
connections that send nothing, half a header or half a body, or that do not read their answer, and then asks for speech
as another client. Each prints one line and returns 1 if something is wrong. `tests/fuzz/http_requests.py` sends odd
requests.
"""

import argparse
import asyncio
import io
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import soundfile
from playing import PATH, client_for, speak
from processes import Server, dia_serve

from dia import Dia

VOICES = "/v1/audio/voices"
WORDS = "Good morning to all of you."
FIELDS = {"transcript": f"[S1] {WORDS}", "consent": "the model's own voice"}
FREE_FILES = 200  # that the server may have open beside the connections


def recording() -> bytes:
    """A wav file of somebody who says WORDS."""
    take = Dia.from_pretrained("mini").speak(f"[S1] {WORDS}", seed=5)
    file = io.BytesIO()
    soundfile.write(file, take.audio, take.sampling_rate, format="WAV")
    return file.getvalue()


def upload(server: Server, name: str, sound: bytes) -> httpx.Response:
    """Upload a voice."""
    files = {"audio_sample": ("a.wav", sound, "audio/wav")}
    return httpx.post(server.address + VOICES, data={"name": name, **FIELDS}, files=files, timeout=60)


def spoken(server: Server, voice: str) -> int:
    """The status of a request with a voice."""
    body = {"model": "dia", "input": "Yes.", "voice": voice, "response_format": "pcm"}
    return httpx.post(server.address + PATH, json=body, timeout=60).status_code


def saved(server: Server) -> set[str]:
    """The names of uploaded voices, all of which begin with v-."""
    listed = httpx.get(server.address + VOICES, timeout=60).json()["voices"]
    return {voice["id"] for voice in listed if voice["id"].startswith("v-")}


def kill(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Kill the server in mid-upload, again and again; what is wrong."""
    draw, sound, answered, wrong = random.Random(arguments.seed), recording(), set[str](), list[str]()
    options = ("--voices", str(folder / "voices"))
    for number in range(arguments.times):
        with dia_serve(arguments.log, options) as server:
            lost = answered - saved(server)
            wrong += [f"{name} was answered, but is lost" for name in sorted(lost)]
            for name in (f"v-{number}-first", f"v-{number}-whole"):  # the first is slower than the others
                began = time.perf_counter()
                if upload(server, name, sound).status_code == 200:
                    answered.add(name)
                seconds = time.perf_counter() - began
            sending = threading.Thread(target=_try_upload, args=(server, f"v-{number}-cut", sound, answered))
            sending.start()
            time.sleep(draw.uniform(0.0, 1.1 * seconds))
            server.kill()
            sending.join()
    with dia_serve(arguments.log, options) as server:
        names = saved(server)
        wrong += [f"{name} was answered, but is lost" for name in sorted(answered - names)]
        wrong += [f"{name} does not speak" for name in sorted(names) if spoken(server, name) != 200]
        upload(server, "v-last", sound)  # removes what killed processes have left
        others = sorted(path.name for path in (folder / "voices").iterdir() if path.suffix != ".safetensors")
        wrong += [f"{name} is left in the folder" for name in others]
    cut = sum(name.endswith("cut") for name in names)
    print(f"{arguments.times} kills: {cut} uploads were complete before, {len(names)} voices, {len(wrong)} faults")
    return wrong


def _try_upload(server: Server, name: str, sound: bytes, answered: set[str]) -> None:
    with suppress(httpx.TransportError):
        if upload(server, name, sound).status_code == 200:
            answered.add(name)


def full(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Upload voices until the disk is full; what is wrong."""
    disk, sound, wrong, answers = folder / "disk", recording(), list[str](), Counter[str]()
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
    try:
        with dia_serve(arguments.log, ("--voices", str(disk))) as server:
            (disk / "other").write_bytes(bytes(240_000))
            for number in range(20):
                answer = upload(server, f"v-{number}", sound)
                answers["saved" if answer.status_code == 200 else answer.json()["error"]["code"]] += 1
            wrong += [f"an upload was answered with {code}" for code in set(answers) - {"saved", "storage_failed"}]
            wrong += [] if answers["storage_failed"] else ["the disk did not become full"]
            wrong += [f"{name} does not speak" for name in sorted(saved(server)) if spoken(server, name) != 200]
            wrong += [] if spoken(server, "default") == 200 else ["the server does not speak any more"]
            (disk / "other").unlink()
            wrong += [] if upload(server, "v-after", sound).status_code == 200 else ["an upload fails with room"]
        left = [path.name for path in disk.iterdir() if path.suffix != ".safetensors"]
        wrong += [f"{name} is left in the folder" for name in left]
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    print(f"full disk: {dict(answers)}, {len(wrong)} faults")
    return wrong


def stall(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Open connections that stall, and ask as another client; what is wrong."""
    with dia_serve(arguments.log, ("--voices", str(folder))) as server:
        return asyncio.run(_stalled(server, arguments.clients))


async def _stalled(server: Server, clients: int) -> list[str]:
    async with client_for(server.address) as client:
        alone = [await speak(client, "One moment, please.", seed) for seed in range(5)]
        before, writers = server.files(), [await _stalling(server, number) for number in range(clients)]
        await asyncio.sleep(1.0)
        most = server.files()
        among = [await speak(client, "One moment, please.", seed) for seed in range(5)]
        health = await client.get("/health")
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(2.0)
        after = server.files()
    wrong = [f"a request failed: {one.error}" for one in among if one.error]
    wrong += [] if [one.digest for one in alone] == [one.digest for one in among] else ["the bytes have changed"]
    wrong += [] if health.status_code == 200 else ["the server is not healthy"]
    wrong += [] if most < clients + FREE_FILES else [f"{most} files are open"]
    wrong += [] if after < before + 20 else [f"{after - before} files stay open"]
    first = [max(one.audible or 0.0 for one in some) for some in (alone, among)]
    print(
        f"{clients} stalled clients: {most} files open, {after} after they left ({before} before); first sound "
        f"{1000 * first[0]:.0f} ms alone, {1000 * first[1]:.0f} ms among them; {len(wrong)} faults"
    )
    return wrong


async def _stalling(server: Server, number: int) -> asyncio.StreamWriter:
    """A connection that stalls in one of four ways. One in 200 does not read its speech."""
    host, port = server.address.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    body: Any = {"model": "dia", "input": f"{WORDS} " * 5, "voice": "default", "response_format": "pcm"}
    content = json.dumps(body).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    )
    whole = head.encode() + b"\r\n" + content
    if number % 200 == 0:
        writer.transport.pause_reading()
        writer.write(whole)
    else:
        writer.write((b"", head.encode(), whole[:-5])[number % 3])
    return writer


def main() -> int:
    """Try one fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fault", choices=["kill", "full", "stall"])
    parser.add_argument("--times", type=int, default=20, help="kills (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("--clients", type=int, default=1_000, help="that stall (default: 1000)")
    parser.add_argument("--log", type=Path, help="file for the output of the servers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments.log = arguments.log or Path(folder) / "server.log"
        wrong = {"kill": kill, "full": full, "stall": stall}[arguments.fault](arguments, Path(folder))
        if b"Traceback" in arguments.log.read_bytes():
            wrong.append("there is a traceback in the server's log")
    for line in wrong:
        print(line)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
