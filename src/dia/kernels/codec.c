// The decoder of a codec, piece by piece, in float32: convolutions over time of rows [time, channels], and Snakes.
//
// The products of an output are added in the same order however many rows there are, so a clip that is decoded in
// pieces has the samples of the whole clip. Vectors are GCC's, so that any processor can be compiled for. With AVX-512,
// those of panels are wider, and the results are the same bit for bit. With AMX, the numbers of a product are split in
// two of bfloat16, and the results differ by about 1e-5.

#include <math.h>
#include <string.h>

#include "tiles.h"

// A tile has `rows` rows of a panel's `vectors` vectors, as many as fit into registers.
enum { NARROW = 2, WIDE = 3, CHUNK = 48, DEPTH = 1024, FEW = 4, TOGETHER = 1024 };
#ifdef __AVX512F__
enum { LANES = 16, NARROW_ROWS = 12, WIDE_ROWS = 8 };
#else
enum { LANES = 8, NARROW_ROWS = 6, WIDE_ROWS = 4 };
#endif
enum { DOT_LANES = 8, WIDEST = LANES * WIDE };

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float dot_vec __attribute__((vector_size(4 * DOT_LANES)));
typedef float dot_loose __attribute__((vector_size(4 * DOT_LANES), aligned(4), may_alias));

// LANES, by which weights are packed.
long lanes(void) { return LANES; }

// Weights are in panels of LANES * vectors outputs, [outputs / panel, taps, inputs, panel], the last filled with zeros,
// as is the bias; with at most FEW outputs, [outputs, taps, inputs]. Those
// in tiles, see tiles.h, have taps, and a large and a small part: [outputs / 32, taps, inputs / 32, parts, …].
typedef struct {
    const void *weight;
    const float *bias;
    long inputs, outputs, taps, dilation, vectors;
} Convolution;

// A stage maps rows of `wide.inputs` to rows of `width`: a Snake, if it has a slope, and a convolution. With a narrow
// convolution, that of the other's Snake is added to the rows in the middle. `around` rows of silence surround a clip,
// `span` rows are kept for the next piece, and `crop` rows are dropped from both ends.
typedef struct {
    Convolution wide, narrow; // narrow.weight may be NULL
    const float *slope;       // [wide.inputs], or NULL
    long width, around, span, crop;
} Stage;

// The state of a clip: for each stage, whether it has begun, and `kept` of the rows [span, wide.inputs] in `rows`.
typedef struct {
    long *begun, *kept; // [stages]
    float *rows;
} State;

static inline vec load(const float *from) { return *(const loose *)from; }
static inline void save(float *to, vec numbers) { *(loose *)to = numbers; }

// Adds a range of taps and inputs to `rows` rows, a constant as `vectors` is, of one panel. y has rows of a panel.
static inline __attribute__((always_inline)) void tile(
    const Convolution *c, const float *x, const float *weight, float *y, long taps, long inputs, const int rows,
    const int vectors) {
    const long panel = vectors * LANES;
    vec sums[NARROW_ROWS][WIDE];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) sums[r][v] = load(y + r * panel + v * LANES);
    for (long tap = 0; tap < taps; tap++, x += c->dilation * c->inputs, weight += c->inputs * panel)
        for (long i = 0; i < inputs; i++) {
            vec weights[WIDE];
            for (int v = 0; v < vectors; v++) weights[v] = load(weight + i * panel + v * LANES);
            for (int r = 0; r < rows; r++)
                for (int v = 0; v < vectors; v++) sums[r][v] += x[r * c->inputs + i] * weights[v];
        }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) save(y + r * panel + v * LANES, sums[r][v]);
}

static inline __attribute__((always_inline)) void tiles(
    const Convolution *c, const float *x, const float *weight, float *y, long taps, long inputs, long rows,
    const int most, const int vectors) {
    const long panel = vectors * LANES;
    for (; rows >= most; rows -= most, x += most * c->inputs, y += most * panel)
        tile(c, x, weight, y, taps, inputs, most, vectors);
    for (; rows >= 4; rows -= 4, x += 4 * c->inputs, y += 4 * panel) tile(c, x, weight, y, taps, inputs, 4, vectors);
    for (; rows >= 2; rows -= 2, x += 2 * c->inputs, y += 2 * panel) tile(c, x, weight, y, taps, inputs, 2, vectors);
    if (rows) tile(c, x, weight, y, taps, inputs, 1, vectors);
}

// At most CHUNK rows of one panel. The weights are read in parts that fit into the cache.
static void chunk(const Convolution *c, const float *x, float *y, long rows, long number, int add) {
    float sums[CHUNK * WIDEST];
    const long panel = c->vectors * LANES, first = number * panel;
    const long left = c->outputs - first, width = left < panel ? left : panel;
    const float *weight = (const float *)c->weight + first * c->taps * c->inputs;
    for (long r = 0; r < rows; r++) {
        memcpy(sums + r * panel, c->bias + first, sizeof(float) * panel);
        if (add)
            for (long o = 0; o < width; o++) sums[r * panel + o] += y[r * c->outputs + first + o];
    }
    const long inputs = c->inputs < DEPTH ? c->inputs : DEPTH, most = DEPTH / inputs;
    for (long tap = 0; tap < c->taps; tap += most)
        for (long i = 0; i < c->inputs; i += inputs) {
            const float *from = x + tap * c->dilation * c->inputs + i, *part = weight + (tap * c->inputs + i) * panel;
            const long taps = c->taps - tap < most ? c->taps - tap : most;
            const long count = c->inputs - i < inputs ? c->inputs - i : inputs;
            if (c->vectors == WIDE)
                tiles(c, from, part, sums, taps, count, rows, WIDE_ROWS, WIDE);
            else
                tiles(c, from, part, sums, taps, count, rows, NARROW_ROWS, NARROW);
        }
    for (long r = 0; r < rows; r++)
        memcpy(y + r * c->outputs + first, sums + r * panel, sizeof(float) * width);
}

// The sum of products of two rows of numbers; lane by lane, then the lanes.
static float dot(const float *x, const float *w, long count) {
    dot_vec sums = {0};
    long i = 0;
    for (; i + DOT_LANES <= count; i += DOT_LANES)
        sums += *(const dot_loose *)(x + i) * *(const dot_loose *)(w + i);
    float n[DOT_LANES], rest = 0;
    *(dot_loose *)n = sums;
    for (; i < count; i++) rest += x[i] * w[i];
    return ((n[0] + n[4]) + (n[1] + n[5])) + ((n[2] + n[6]) + (n[3] + n[7])) + rest;
}

static void narrow_chunk(const Convolution *c, const float *x, float *y, long rows, int add) {
    for (long r = 0; r < rows; r++, x += c->inputs, y += c->outputs)
        for (long o = 0; o < c->outputs; o++) {
            const float *weight = (const float *)c->weight + o * c->taps * c->inputs;
            float sum = c->bias[o] + (add ? y[o] : 0);
            for (long tap = 0; tap < c->taps; tap++)
                sum += dot(x + tap * c->dilation * c->inputs, weight + tap * c->inputs, c->inputs);
            y[o] = sum;
        }
}

#ifdef __AMX_BF16__
// A block of results [BLOCK, BLOCK], or the upper or left half of it.
static inline __attribute__((always_inline)) void block(
    const Convolution *c, const bfloat16 *large, const bfloat16 *small, const bfloat16 *weight, float *sums,
    const int tall, const int wide) {
    const long width = whole_tiles(c->inputs), part = TILE_INPUTS * BLOCK;
    begin_block();
    for (long tap = 0; tap < c->taps; tap++, large += c->dilation * width, small += c->dilation * width)
        for (long i = 0; i < width; i += TILE_INPUTS, weight += 2 * part) {
            load_rows(large + i, width, tall);
            load_weights(weight + part, wide);
            multiply(tall, wide);
            load_weights(weight, wide);
            multiply(tall, wide);
            load_rows(small + i, width, tall);
            multiply(tall, wide);
        }
    store_block(sums, BLOCK, tall, wide);
}

// At most BLOCK rows and outputs. Rows after the last are read, and their results dropped.
static void split_chunk(
    const Convolution *c, const bfloat16 *large, const bfloat16 *small, float *y, long rows, long panel, int add) {
    float sums[BLOCK * BLOCK] __attribute__((aligned(64)));
    const long first = panel * BLOCK, left = c->outputs - first, width = left < BLOCK ? left : BLOCK;
    const bfloat16 *weight = (const bfloat16 *)c->weight + 2 * first * c->taps * whole_tiles(c->inputs);
    if (rows > TILE_ROWS && width > TILE_ROWS)
        block(c, large, small, weight, sums, 1, 1);
    else if (rows > TILE_ROWS)
        block(c, large, small, weight, sums, 1, 0);
    else if (width > TILE_ROWS)
        block(c, large, small, weight, sums, 0, 1);
    else
        block(c, large, small, weight, sums, 0, 0);
    for (long r = 0; r < rows; r++)
        for (long o = 0; o < width; o++) {
            float *to = y + r * c->outputs + first + o;
            *to = sums[r * BLOCK + o] + c->bias[first + o] + (add ? *to : 0);
        }
}

// As `convolve`; `parts` has room for the rows and TILE_ROWS more, as filled with zeros.
static void split_convolve(
    const Convolution *c, const float *x, float *y, long rows, int add, float *parts, int threads) {
    const long width = whole_tiles(c->inputs), panels = (c->outputs + BLOCK - 1) / BLOCK;
    const long in = rows + (c->taps - 1) * c->dilation;
    const long apart = (in + TILE_ROWS) * width;
    bfloat16 *large = (bfloat16 *)parts, *small = large + apart;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long r = 0; r < in; r++) split_row(x + r * c->inputs, large + r * width, c->inputs, apart, 2);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        begin_tiles();
#pragma omp for collapse(2) schedule(static)
        for (long first = 0; first < rows; first += BLOCK)
            for (long panel = 0; panel < panels; panel++) {
                const long count = rows - first < BLOCK ? rows - first : BLOCK, at = first * width;
                split_chunk(c, large + at, small + at, y + first * c->outputs, count, panel, add);
            }
        _tile_release();
    }
}
#else
static void split_convolve(
    const Convolution *c, const float *x, float *y, long rows, int add, float *parts, int threads) {}
#endif

// y = the convolution of x [rows + (taps - 1) dilation, inputs], or y += … if `add`: y [rows, outputs].
static void convolve(
    const Convolution *c, const float *x, float *y, long rows, int add, float *parts, int threads) {
    if (TILED && c->outputs > FEW) {
        split_convolve(c, x, y, rows, add, parts, threads);
        return;
    }
    const long width = c->vectors * LANES, panels = c->outputs <= FEW ? 1 : (c->outputs + width - 1) / width;
#pragma omp parallel for collapse(2) num_threads(threads) schedule(static) if (threads > 1)
    for (long first = 0; first < rows; first += CHUNK)
        for (long panel = 0; panel < panels; panel++) {
            const float *from = x + first * c->inputs;
            float *to = y + first * c->outputs;
            const long count = rows - first < CHUNK ? rows - first : CHUNK;
            if (c->outputs <= FEW)
                narrow_chunk(c, from, to, count, add);
            else
                chunk(c, from, to, count, panel, add);
        }
}

// u + sin(u)^2: sin(u)^2 has period pi, so u is reduced to [-pi/2, pi/2] with pi in three parts, and the sine is a
// polynomial. The compiler makes vectors of loops over it.
static inline float snake_of(float u) {
    const float turns = rintf(u * 0.318309886f);
    const float r = u - turns * 3.140625f - turns * 9.67502593994140625e-4f - turns * 1.509957990978376e-7f;
    const float z = r * r;
    float sum = 2.587217978e-6f;
    sum = sum * z - 1.979926455e-4f;
    sum = sum * z + 8.332872763e-3f;
    sum = sum * z - 0.166666463f;
    sum = sum * z * r + r;
    return u + sum * sum;
}

// x, y [rows, width], slope [width], by default ones; y may be x. Several narrow rows are one task, with as many
// copies of the slopes.
void snake_float(const float *x, const float *slope, float *y, long rows, long width, int threads) {
    const long together = width < TOGETHER ? TOGETHER / width : 1, block = together * width, total = rows * width;
    float slopes[block];
    for (long c = 0; c < block; c++) slopes[c] = slope ? slope[c % width] : 1;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long first = 0; first < total; first += block) {
        const long count = total - first < block ? total - first : block;
        const float *from = x + first;
        float *to = y + first;
        for (long c = 0; c < count; c++) to[c] = snake_of(from[c] * slopes[c]);
    }
}

// The rows of a stage: those kept, `rows` new ones, and silence around a clip.
static long rows_in(const Stage *stage, long begun, long kept, long rows, int last) {
    return (begun ? kept : stage->around) + rows + (last ? stage->around : 0);
}

static long rows_out(const Stage *stage, long begun, long rows, int last) {
    if (rows <= stage->span) return 0;
    const long made = (rows - stage->span) * (stage->narrow.weight ? 1 : stage->wide.outputs / stage->width);
    const long left = made - (begun ? 0 : stage->crop) - (last ? stage->crop : 0);
    return left > 0 ? left : 0;
}

// The number of samples that the next `rows` rows give. `most` is the most numbers that a stage has at a time.
long samples_of(const Stage *stages, long count, const State *state, long rows, int last, long *most) {
    *most = 0;
    for (long n = 0; n < count && (rows || last); n++) {
        const Stage *stage = stages + n;
        const long in = rows_in(stage, state->begun[n], state->kept[n], rows, last);
        const long columns = stage->wide.outputs > stage->wide.inputs ? stage->wide.outputs : stage->wide.inputs;
        const long numbers = (in + TILE_ROWS) * whole_tiles(columns);
        if (numbers > *most) *most = numbers;
        rows = rows_out(stage, state->begun[n], in, last);
    }
    return rows;
}

// Keeps the last `span` rows of x for the next piece.
static void keep(const Stage *stage, const float *x, long rows, long *kept, float *to) {
    *kept = rows < stage->span ? rows : stage->span;
    memmove(to, x + (rows - *kept) * stage->wide.inputs, sizeof(float) * *kept * stage->wide.inputs);
}

// Decodes the next rows [rows, inputs of the first stage] to samples; scratch has room for 4 times `most`, see
// `samples_of`.
void decode(const Stage *stages, long count, State *state, const float *rows_, long rows, int last, float *scratch,
            long most, float *samples, int threads) {
    const float *from = rows_;
    float *x = scratch, *snaked = scratch + most, *made = scratch + 2 * most, *parts = scratch + 3 * most;
    float *kept = state->rows;
    for (long n = 0; n < count && (rows || last); n++) {
        const Stage *stage = stages + n;
        const long inputs = stage->wide.inputs, begun = state->begun[n];
        const long before = begun ? state->kept[n] : stage->around;
        const long in = rows_in(stage, begun, state->kept[n], rows, last);
        memmove(x + before * inputs, from, sizeof(float) * rows * inputs);
        if (begun)
            memcpy(x, kept, sizeof(float) * before * inputs);
        else
            memset(x, 0, sizeof(float) * before * inputs);
        if (last) memset(x + (before + rows) * inputs, 0, sizeof(float) * stage->around * inputs);
        keep(stage, x, in, state->kept + n, kept);
        kept += stage->span * inputs;
        state->begun[n] = 1;
        rows = rows_out(stage, begun, in, last);
        if (in <= stage->span) {
            rows = 0;
            continue;
        }
        if (stage->slope) snake_float(x, stage->slope, snaked, in, inputs, threads);
        convolve(&stage->wide, stage->slope ? snaked : x, made, in - stage->span, 0, parts, threads);
        if (stage->narrow.weight) {
            snake_float(made, NULL, made, in - stage->span, stage->wide.outputs, threads);
            convolve(&stage->narrow, made, x + stage->around * inputs, in - stage->span, 1, parts, threads);
            from = x + stage->around * inputs;
        } else {
            from = made;
        }
        if (!begun) from += stage->crop * stage->width;
    }
    memcpy(samples, from, sizeof(float) * rows);
}
