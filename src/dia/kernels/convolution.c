// Convolutions over time of rows [time, channels], in float32.
//
// The products of an output are added in the same order however many rows there are, so a clip that is decoded in
// pieces has the samples of the whole clip. Vectors are GCC's, so that any processor can be compiled for.

#include <string.h>

enum { LANES = 8, VECTORS = 2, PANEL = LANES * VECTORS, TILE = 6, CHUNK = 48, DEPTH = 1024, FEW = 4 };

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

// x [batch, rows + (taps - 1) dilation, inputs], y [batch, rows, outputs]. Weights are in panels of PANEL outputs,
// [outputs / PANEL, taps, inputs, PANEL], the last filled with zeros, as is the bias; with at most FEW outputs,
// [outputs, taps, inputs].
typedef struct {
    const float *x, *weight, *bias;
    float *y;
    long batch, rows, inputs, outputs, taps, dilation, x_stride, y_stride, add; // strides from clip to clip
} Convolution;

static inline vec load(const float *from) { return *(const loose *)from; }
static inline void save(float *to, vec numbers) { *(loose *)to = numbers; }

// Adds a range of taps and inputs to `rows` rows, a constant, of one panel. y has rows of PANEL numbers.
static inline __attribute__((always_inline)) void tile(
    const Convolution *c, const float *x, const float *weight, float *y, long taps, long inputs, const int rows) {
    vec sums[TILE][VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECTORS; v++) sums[r][v] = load(y + r * PANEL + v * LANES);
    for (long tap = 0; tap < taps; tap++, x += c->dilation * c->inputs, weight += c->inputs * PANEL)
        for (long i = 0; i < inputs; i++) {
            vec weights[VECTORS];
            for (int v = 0; v < VECTORS; v++) weights[v] = load(weight + i * PANEL + v * LANES);
            for (int r = 0; r < rows; r++)
                for (int v = 0; v < VECTORS; v++) sums[r][v] += x[r * c->inputs + i] * weights[v];
        }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECTORS; v++) save(y + r * PANEL + v * LANES, sums[r][v]);
}

static void tiles(
    const Convolution *c, const float *x, const float *weight, float *y, long taps, long inputs, long rows) {
    const long step = TILE * c->inputs;
    for (; rows >= TILE; rows -= TILE, x += step, y += TILE * PANEL) tile(c, x, weight, y, taps, inputs, TILE);
    switch (rows) {
    case 5: tile(c, x, weight, y, taps, inputs, 5); break;
    case 4: tile(c, x, weight, y, taps, inputs, 4); break;
    case 3: tile(c, x, weight, y, taps, inputs, 3); break;
    case 2: tile(c, x, weight, y, taps, inputs, 2); break;
    case 1: tile(c, x, weight, y, taps, inputs, 1); break;
    }
}

// At most CHUNK rows of one panel. The weights are read in parts that fit into the cache.
static void chunk(const Convolution *c, const float *x, float *y, long rows, long panel) {
    float sums[CHUNK * PANEL];
    const long first = panel * PANEL, left = c->outputs - first, width = left < PANEL ? left : PANEL;
    const float *weight = c->weight + first * c->taps * c->inputs;
    for (long r = 0; r < rows; r++) {
        memcpy(sums + r * PANEL, c->bias + first, sizeof(float) * PANEL);
        if (c->add)
            for (long o = 0; o < width; o++) sums[r * PANEL + o] += y[r * c->outputs + first + o];
    }
    const long inputs = c->inputs < DEPTH ? c->inputs : DEPTH, taps = DEPTH / inputs;
    for (long tap = 0; tap < c->taps; tap += taps)
        for (long i = 0; i < c->inputs; i += inputs)
            tiles(c, x + tap * c->dilation * c->inputs + i, weight + (tap * c->inputs + i) * PANEL, sums,
                  c->taps - tap < taps ? c->taps - tap : taps, c->inputs - i < inputs ? c->inputs - i : inputs, rows);
    for (long r = 0; r < rows; r++)
        memcpy(y + r * c->outputs + first, sums + r * PANEL, sizeof(float) * width);
}

// The sum of products of two rows of numbers; lane by lane, then the lanes.
static float dot(const float *x, const float *w, long count) {
    vec sums = {0};
    long i = 0;
    for (; i + LANES <= count; i += LANES) sums += load(x + i) * load(w + i);
    float n[LANES], rest = 0;
    save(n, sums);
    for (; i < count; i++) rest += x[i] * w[i];
    return ((n[0] + n[4]) + (n[1] + n[5])) + ((n[2] + n[6]) + (n[3] + n[7])) + rest;
}

static void narrow_chunk(const Convolution *c, const float *x, float *y, long rows) {
    for (long r = 0; r < rows; r++, x += c->inputs, y += c->outputs)
        for (long o = 0; o < c->outputs; o++) {
            const float *weight = c->weight + o * c->taps * c->inputs;
            float sum = c->bias[o] + (c->add ? y[o] : 0);
            for (long tap = 0; tap < c->taps; tap++)
                sum += dot(x + tap * c->dilation * c->inputs, weight + tap * c->inputs, c->inputs);
            y[o] = sum;
        }
}

void convolve(const Convolution *c, int threads) {
    const long panels = c->outputs <= FEW ? 1 : (c->outputs + PANEL - 1) / PANEL;
#pragma omp parallel for collapse(3) num_threads(threads) schedule(static) if (threads > 1)
    for (long clip = 0; clip < c->batch; clip++)
        for (long first = 0; first < c->rows; first += CHUNK)
            for (long panel = 0; panel < panels; panel++) {
                const float *x = c->x + clip * c->x_stride + first * c->inputs;
                float *y = c->y + clip * c->y_stride + first * c->outputs;
                const long rows = c->rows - first < CHUNK ? c->rows - first : CHUNK;
                if (c->outputs <= FEW)
                    narrow_chunk(c, x, y, rows);
                else
                    chunk(c, x, y, rows, panel);
            }
}
