"""All limits on files and requests, each with its reason.

Each limit is far above what a real file or a sensible request needs, and far below what harms a machine.
"""

from dia.runtime.ranges import Range

# Files

# The largest JSON file of a checkpoint, a shard index, has 50 kB.
JSON_BYTES = 2**20
# The settings we write are nested 4 levels deep; code that copies settings fails at a few hundred.
JSON_DEPTH = 20
# A tensor's entry takes 100 bytes, and the largest models have a few thousand tensors.
HEADER_BYTES = 4 * 2**20
# The longest list of shards of a 1000-billion-parameter model has a few hundred.
SHARDS = 1000
# The dictionary of the embedded model unpacks to 4.9 MB; all of CMUdict has 4 MB.
PRONUNCIATION_BYTES = 32 * 2**20
# The dictionary of the embedded model has 173 thousand words; the largest of any language has about a million.
PRONUNCIATION_WORDS = 2**20
# A saved voice is small: a minute of the published codec's codes is 186 kB.
VOICE_BYTES = 2**24

# Audio files

# Bytes of a recording that can only be read once, such as a download: two hours of stereo WAV at 48 kHz have 1.4 GB.
STREAM_BYTES = 2**31
# Players show a line or two of a title; the notes of a podcast have a few thousand characters.
TAG_CHARACTERS = 10_000
# The longest audiobooks have a few hundred chapters.
CHAPTERS = Range(0, 10_000, whole=True)

# Model sizes in config.json

# The deepest published transformers have about 130 layers.
LAYERS = Range(1, 512, whole=True)
# The widest published transformers have 53 thousand channels in their MLPs.
WIDTH = Range(1, 2**17, whole=True)
# The widest published transformers have 128 heads.
HEADS = Range(1, 1024, whole=True)
# The largest vocabularies of published transformers have 262 thousand ids.
VOCABULARY = Range(1, 2**20, whole=True)
# Codecs have up to 32 codebooks.
CHANNELS = Range(1, 128, whole=True)
# The largest published codebook has 2^18 codes.
CODEBOOK = Range(1, 2**20, whole=True)
# Downsampling ratios of codecs are 2 to 10, in 3 to 6 steps.
RATIO = Range(1, 64, whole=True)
RATIOS = Range(1, 12, whole=True)
# The published model delays by up to 15 rows. The largest delay adds its rows to every pass.
DELAY = Range(0, 1024, whole=True)
# Telephones use 8 kHz and studios 192 kHz; 100 Hz is the lowest rate that still shows the loudness of speech.
SAMPLING_RATE = Range(100, 384_000, whole=True)
# Normalization layers add this to a mean square near 1.
EPSILON = Range(0, 1, above=True)
# Token ids of text or of one channel.
ID = Range(0, 2**20, whole=True)
# Weights with a larger standard deviation saturate every activation.
DEVIATION = Range(0, 100)
# The largest bases of published rotary embeddings are about 10^8.
ROTARY_BASE = Range(0, 10**12, above=True)

# Requests

# 2^15 rows are six minutes of the published model, which accepts at most 3072, and take 1.2 GB of keys and values.
ROWS = Range(1, 2**15, whole=True)
LEAST_ROWS = Range(0, 2**15, whole=True)
# Published temperatures are 0.4 to 1.8; at 100 all candidates are equally likely.
TEMPERATURE = Range(0, 100, note="0 is greedy")
# Published guidance scales are 3 and 4; at 100 the conditional logits no longer matter.
GUIDANCE = Range(0, 100)
# More candidates than there are ids means all of them.
CANDIDATES = Range(0, 2**20, whole=True, note="0 is all")
FILTERED = Range(1, 2**20, whole=True)
# A share of the probability mass; an empty nucleus leaves no candidates.
NUCLEUS = Range(0, 1, above=True)
SHARE = Range(0, 1)
# Usual repetition penalties are 1.0 to 2.0; at 100 no id repeats.
PENALTY = Range(0, 100, above=True)
# Each clip of a batch has its own keys and values: 20 MB or more per second with the published model.
BATCH = Range(1, 1024, whole=True)
# A generator takes a signed or unsigned 64-bit seed; a negative seed equals that seed plus 2**64.
SEED = Range(-(2**63), 2**64 - 1, whole=True, note="64 bits; one for all texts, or a list with one per text")
# Rows of a tar or Parquet file. Each has a name in memory while the file is written.
SHARD_ROWS = Range(1, 100_000, whole=True)
# A text that fails a hundred times does not fail because of its seed.
RETRIES = Range(0, 100, whole=True)
# All takes of a part form one batch; beyond about 10, more takes do not improve the best one.
BEST_OF = Range(1, 100, whole=True)
# Parts that wait for earlier ones hold their audio; an engine has 16 slots.
PARTS_AT_ONCE = Range(1, 64, whole=True)
# Silence at the edges of a recording sounds like a pause; a minute of it sounds like a fault.
EDGE_RANGE = Range(0, 60)
# The published model handles 20 s well; six minutes is the length of ROWS.
PASS_SECONDS = Range(1, 360)
# A day; None means no limit.
WAIT_SECONDS = Range(0, 86_400, note="None waits forever")
# Frames per window of a stream: six minutes of the published codec.
WINDOW_FRAMES = Range(1, 2**15, whole=True)
# Token ids of a text: thirty times what the published model accepts.
TEXT_IDS = Range(1, 2**15, whole=True)
# Frames of published codecs have 120 to 3840 samples.
HOP_LENGTH = Range(1, 2**16, whole=True)
# The offset added to the id of every byte; beyond the largest vocabulary, no ids remain.
ID_OFFSET = Range(0, 2**16, whole=True)
# A clip is mono or stereo before its channels are mixed.
CLIP_CHANNELS = Range(1, 2, whole=True)
# Samples are between -1 and 1, and so is a padding value.
SAMPLE = Range(-1, 1)
# One recording of a whole day.
CLIP_SECONDS = Range(0, 86_400, above=True)

# Training

# At one second per step, 10^9 steps take thirty years.
STEPS = Range(1, 10**9, whole=True)
# Adam changes a weight by about the learning rate at each step; weights are about 0.02.
LEARNING_RATE = Range(0, 10, above=True)
# The share of held-out data: 1 leaves nothing to train on, 0 nothing to evaluate on.
HELDOUT = Range(0, 0.99, above=True)
# Training segments are about half a second long; a batch of one-minute segments takes gigabytes.
SEGMENT_SECONDS = Range(0, 60, above=True)
# A year.
MINUTES = Range(0, 527_040, above=True)
SECONDS = Range(0, 60 * 527_040, above=True)
# A loss with a thousand times the weight of another is effectively the only one.
LOSS_WEIGHT = Range(0, 1000)
# The widest matrix has WIDTH rows; a rank beyond that adds nothing.
RANK = Range(1, 2**17, whole=True)
ADAPTER_SCALE = Range(0, 2**18, above=True)
# A dropout of 1 leaves nothing to learn from.
PART = Range(0, 0.999_999)
# Processes on one machine; the largest machines have a few hundred cores.
PROCESSES = Range(1, 1024, whole=True)
# CPU threads; the largest machines have a few hundred cores, and more threads than cores only slow a model down.
THREADS = Range(1, 1024, whole=True)
