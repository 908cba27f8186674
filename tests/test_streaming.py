"""Sound while it is generated is the sound that is made afterwards, and it comes early."""

from queue import Empty
from threading import Thread

import pytest
import torch
from tiny import EOS, PATTERN, prompts, texts, tiny_model
from tiny_codec import tiny_codec, tiny_processor

from dia import codec
from dia.streaming import AudioStreamer

FRAMES = 30


@pytest.fixture(scope="module")
def processor():
    return tiny_processor(tiny_codec((2, 4, 5)))


@pytest.fixture(scope="module")
def speaker():
    """Never ends on its own."""
    model = tiny_model()
    model.logits_dense.weight.data[EOS] = 0
    return model


@pytest.fixture(scope="module")
def talkative():
    """Ends on its own after a while."""
    model = tiny_model()
    model.logits_dense.weight.data[EOS] *= 2.5
    return model


def streamed(model, processor, chunk_frames, **inputs):
    """The chunks, played while they are made, and the whole grid."""
    streamer = AudioStreamer(processor, chunk_frames, timeout=60)
    grids = []
    thread = Thread(target=lambda: grids.append(model.generate(**inputs, streamer=streamer)))
    thread.start()
    chunks = list(streamer)
    thread.join()
    return chunks, grids[0]


@pytest.mark.parametrize("chunk_frames", [1, 7, 1000])
def test_streamed_audio_equals_batch_audio(speaker, processor, chunk_frames):
    inputs = {**texts(9), **prompts(0), "max_new_tokens": FRAMES}
    chunks, grid = streamed(speaker, processor, chunk_frames, **inputs)
    whole = processor.decode(grid)
    assert len(whole) > 20 * codec.hop_length(processor.audio_tokenizer.config)
    torch.testing.assert_close(torch.cat(chunks), whole, atol=1e-5, rtol=1e-5)
    assert (len(chunks) > 1) == (chunk_frames < 1000)


def test_speech_that_ends_on_its_own(talkative, processor):
    inputs = {**texts(4), **prompts(0), "max_new_tokens": 50}
    chunks, grid = streamed(talkative, processor, 3, **inputs)
    assert grid.shape[1] < 51
    torch.testing.assert_close(torch.cat(chunks), processor.decode(grid), atol=1e-5, rtol=1e-5)


def test_speech_cut_off_before_its_end(speaker, processor):
    inputs = {**texts(9), **prompts(0), "max_new_tokens": FRAMES}
    cut = {"stopping_criteria": [lambda ids, _: torch.full((ids.shape[0],), ids.shape[1] >= 17)]}
    chunks, grid = streamed(speaker, processor, 4, **inputs, **cut)
    assert grid.shape[1] == 17
    torch.testing.assert_close(torch.cat(chunks), processor.decode(grid), atol=1e-5, rtol=1e-5)


def test_the_prompt_is_not_heard(speaker, processor):
    inputs = {**texts(9), **prompts(6), "max_new_tokens": FRAMES}
    chunks, grid = streamed(speaker, processor, 5, **inputs)
    rows = processor.get_audio_prompt_len(inputs["decoder_attention_mask"])
    torch.testing.assert_close(torch.cat(chunks), processor.decode(grid, rows), atol=1e-5, rtol=1e-5)


def test_the_first_chunk_comes_as_soon_as_its_context_is_there(speaker, processor):
    grid = speaker.generate(**texts(9), **prompts(0), max_new_tokens=FRAMES)
    after = codec.decode_context(processor.audio_tokenizer)[1]
    streamer = AudioStreamer(processor, chunk_frames=2, timeout=0)
    streamer.put(grid[:, :1])
    needed = 2 + after + max(PATTERN)
    for row in grid[:, 1:needed].unbind(1):
        streamer.put(row)
    with pytest.raises(Empty):
        next(iter(streamer))
    streamer.put(grid[:, needed])
    assert 2 <= len(next(iter(streamer))) / codec.hop_length(processor.audio_tokenizer.config) < 3


def test_nothing_spoken_is_an_empty_stream(processor):
    streamer = AudioStreamer(processor)
    streamer.put(prompts(0)["decoder_input_ids"][:, :1])
    streamer.end()
    assert list(streamer) == []


def test_who_listens_is_released_when_generation_fails(speaker, processor):
    streamer = AudioStreamer(processor, timeout=60)
    with pytest.raises(ValueError, match="plays one clip; 2"):
        speaker.generate(**texts(9, 4), **prompts(0, 0), max_new_tokens=FRAMES, streamer=streamer)
    assert list(streamer) == []


def test_a_processor_without_a_codec_is_refused(processor):
    mute = tiny_processor(tiny_codec((2, 4, 5)))
    mute.audio_tokenizer = None
    with pytest.raises(ValueError, match="no codec"):
        AudioStreamer(mute)


def test_chunks_of_nothing_are_refused(processor):
    with pytest.raises(ValueError, match="chunk_frames=0"):
        AudioStreamer(processor, chunk_frames=0)
