"""Every limit on what is read and asked for, in one place, each with its reason.

A limit is far beyond anything that a real file or a sensible request needs, and far below what harms a machine.
"""

from dia.runtime.ranges import Range

# Files

# The largest JSON file of a checkpoint, an index of shards, has 50 kB.
JSON_BYTES = 2**20
# The settings that we write are nested 4 deep; code that copies settings fails at a few hundred.
JSON_DEPTH = 20
# A tensor's entry takes 100 bytes, and the largest models have a few thousand tensors.
HEADER_BYTES = 4 * 2**20
# The longest list of shards of a 1000-billion-parameter model has a few hundred.
SHARDS = 1000
# The dictionary of the embedded model unpacks to 3.3 MB; all of CMUdict has 4 MB.
PRONUNCIATION_BYTES = 32 * 2**20
# The dictionary of the embedded model has 124 thousand words; the largest of any language has about a million.
PRONUNCIATION_WORDS = 2**20
# A voice takes thousands of bytes: a minute of the published codec's codes is 186 kB.
VOICE_BYTES = 2**24
# Sizes of a model, as its config.json states them

# The deepest published transformers have about 130 layers.
LAYERS = Range(1, 512, whole=True)
# The widest published transformers have 53 thousand channels inside their MLPs.
WIDTH = Range(1, 2**17, whole=True)
# The widest published transformers have 128 heads.
HEADS = Range(1, 1024, whole=True)
# The largest vocabularies of published transformers have 262 thousand ids.
VOCABULARY = Range(1, 2**20, whole=True)
# Codecs have up to 32 codebooks.
CHANNELS = Range(1, 128, whole=True)
# A codebook of 2^18 codes is the largest that has been published.
CODEBOOK = Range(1, 2**20, whole=True)
# Downsampling ratios of codecs are 2 to 10, in 3 to 6 steps.
RATIO = Range(1, 64, whole=True)
RATIOS = Range(1, 12, whole=True)
# The published model delays by 15 rows; a delay adds its rows to every pass.
DELAY = Range(0, 1024, whole=True)
# Telephones have 8 kHz and studios 192; a second of 100 Hz is all that a second of speech would need for its loudness.
SAMPLING_RATE = Range(100, 384_000, whole=True)
# Norms add this to a mean square near 1.
EPSILON = Range(0, 1, above=True)
# Ids of text or of one channel.
ID = Range(0, 2**20, whole=True)
# Weights of a larger deviation saturate every activation.
DEVIATION = Range(0, 100)
# The largest bases of published rotary embeddings are about 10^8.
ROTARY_BASE = Range(0, 10**12, above=True)

# Requests

# 2^15 rows are six minutes of the published model, which reads at most 3072, and 1.2 GB of its keys and values.
ROWS = Range(1, 2**15, whole=True)
LEAST_ROWS = Range(0, 2**15, whole=True)
# Nothing is learnt from more: published sampling is 0.4 to 1.8, and at 100 all candidates are equally likely.
TEMPERATURE = Range(0, 100, note="0 is greedy")
# Guidance of 3 or 4 is published; at 100 the conditional logits no longer matter.
GUIDANCE = Range(0, 100)
# More candidates than ids are all of them.
CANDIDATES = Range(0, 2**20, whole=True, note="0 is all")
FILTERED = Range(1, 2**20, whole=True)
# A share of the probability; a nucleus of nothing leaves nothing to draw from.
NUCLEUS = Range(0, 1, above=True)
SHARE = Range(0, 1)
# Repeating is discouraged by 1.0 to 2.0; at 100 no id comes twice.
PENALTY = Range(0, 100, above=True)
# The clips of one batch hold keys and values of their own, 20 MB and more for every second of the published model.
BATCH = Range(1, 1024, whole=True)
# A generator takes a seed of 64 bits, with or without a sign; a negative one is the same as itself and 2**64.
SEED = Range(-(2**63), 2**64 - 1, whole=True, note="64 bits; one for all texts, or a list of one for each")
# A text that fails a hundred times fails for a reason that no seed removes.
RETRIES = Range(0, 100, whole=True)
# Takes of one part are made in one batch; of more than about 10 none is better than those before.
BEST_OF = Range(1, 100, whole=True)
# Silence at the edges of a recording is heard as a pause; a minute of it, as a fault.
EDGE_RANGE = Range(0, 60)
# The published model speaks 20 s well, and ROWS are six minutes.
PASS_SECONDS = Range(1, 360)
# A day; whoever waits longer waits for ever, which None says.
WAIT_SECONDS = Range(0, 86_400, note="None waits for ever")
# Frames of one window of a stream: six minutes of the published codec.
WINDOW_FRAMES = Range(1, 2**15, whole=True)
# Ids of a text: thirty times what the published model reads.
TEXT_IDS = Range(1, 2**15, whole=True)
# Frames of published codecs have 120 to 3840 samples.
HOP_LENGTH = Range(1, 2**16, whole=True)
# What is added to the id of every byte: more than the largest vocabulary leaves no ids.
ID_OFFSET = Range(0, 2**16, whole=True)
# A clip is mono or stereo before its channels are mixed.
CLIP_CHANNELS = Range(1, 2, whole=True)
# Samples are within 1; what pads them may be any that a file can hold.
SAMPLE = Range(-1, 1)
# A day of one recording.
CLIP_SECONDS = Range(0, 86_400, above=True)

# Training

# At one second a step, 10^9 steps take thirty years.
STEPS = Range(1, 10**9, whole=True)
# Adam changes a weight by about the learning rate at each step; weights are about 0.02.
LEARNING_RATE = Range(0, 10, above=True)
# All held out leaves nothing to learn from, nothing held out nothing to measure with.
HELDOUT = Range(0, 0.99, above=True)
# Stretches of training are about half a second; a minute of a batch takes gigabytes.
SEGMENT_SECONDS = Range(0, 60, above=True)
# A year.
MINUTES = Range(0, 527_040, above=True)
SECONDS = Range(0, 60 * 527_040, above=True)
# A loss that weighs a thousand times another is the only one.
LOSS_WEIGHT = Range(0, 1000)
# The widest matrix has WIDTH rows; a rank beyond that adds nothing.
RANK = Range(1, 2**17, whole=True)
ADAPTER_SCALE = Range(0, 2**18, above=True)
# Dropping everything leaves nothing to learn from.
PART = Range(0, 0.999_999)
# Processes on one machine; the largest have a few hundred cores.
PROCESSES = Range(1, 1024, whole=True)
