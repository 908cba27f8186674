// y = x wT for weights in bfloat16, on processors without instructions for bfloat16. Sums are in float32.
//
// Weights are read in their own order, once for few rows, at memory bandwidth. A vector of 16 weights is widened by a
// shift, for those with even numbers, and by a mask, for the others. x is copied to the same order before: of 16
// inputs the even ones, then the odd ones. With more rows than fit into a tile, a block of weights stays in the cache
// while all tiles of rows are computed.
//
// The sums of a row are added in the same order however many rows there are, so that they do not depend on the other
// rows. Vectors are GCC's, so that any little-endian processor can be compiled for.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 8, PAIRS = 2 * LANES };              // numbers in a vector, weights in a vector
enum { ROWS = 4, OUTS = 3 };                        // most in a tile; its sums and weights fit into 16 registers
enum { DEPTH = 1024, BLOCK = 48, BYTES = 1 << 18 }; // inputs at a time, outputs at a time and their most bytes

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef uint32_t bits __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t loose_bits __attribute__((vector_size(4 * LANES), aligned(2), may_alias));

typedef struct {
    const float *x;    // [rows, width], in the order of the weights, the end of a row filled with zeros
    const uint16_t *w; // [outputs, inputs]
    void *y;           // [rows, outputs], bfloat16 if half, else float32
    long rows, outputs, inputs, width;
    int half;
} Product;

typedef vec Sums[ROWS][OUTS];

static float widen(uint16_t half) {
    const uint32_t whole = (uint32_t)half << 16;
    float wide;
    memcpy(&wide, &whole, sizeof wide);
    return wide;
}

static uint16_t narrow(float wide) {
    uint32_t whole;
    memcpy(&whole, &wide, sizeof whole);
    if (wide != wide) return whole >> 16 | 64; // still NaN
    return (whole + 0x7fff + (whole >> 16 & 1)) >> 16; // to nearest, ties to even
}

INLINE float sum(vec n) { return ((n[0] + n[4]) + (n[1] + n[5])) + ((n[2] + n[6]) + (n[3] + n[7])); }

static void sort(const void *x, float *to, long inputs, long width, int half) {
    for (long k = 0; k < width; k++) {
        const long from = k / PAIRS * PAIRS + k % PAIRS % LANES * 2 + k % PAIRS / LANES;
        to[k] = from >= inputs ? 0 : half ? widen(((const uint16_t *)x)[from]) : ((const float *)x)[from];
    }
}

// Add the products of 16 inputs. All callers pass constants for rows and outs, so that the sums stay in registers.
INLINE void add(Sums sums, const float *x, long width, const bits *pairs, const int rows, const int outs) {
    for (int odd = 0; odd < 2; odd++) {
        vec weights[OUTS];
        for (int o = 0; o < outs; o++) weights[o] = (vec)(odd ? pairs[o] & 0xffff0000 : pairs[o] << 16);
        for (int r = 0; r < rows; r++) {
            const vec values = *(const loose *)(x + r * width + odd * LANES);
            for (int o = 0; o < outs; o++) sums[r][o] += values * weights[o];
        }
    }
}

// Add the products of the inputs from `first` to `last` to the sums of a tile.
INLINE void tile(const Product *p, Sums kept, long row, long output, long first, long last, const int rows,
                 const int outs) {
    const float *x = p->x + row * p->width;
    const uint16_t *w = p->w + output * p->inputs;
    const long whole = p->inputs / PAIRS * PAIRS, end = last < whole ? last : whole;
    Sums sums;
    bits pairs[OUTS];
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outs; o++) sums[r][o] = kept[r][o];
    for (long k = first; k < end; k += PAIRS) {
        for (int o = 0; o < outs; o++) pairs[o] = *(const loose_bits *)(w + o * p->inputs + k);
        for (int o = 0; o < outs; o++) __builtin_prefetch(w + (o + outs) * p->inputs + k);
        add(sums, x + k, p->width, pairs, rows, outs);
    }
    if (last > whole) { // fewer than 16 inputs are left
        for (int o = 0; o < outs; o++) {
            uint16_t rest[PAIRS] = {0};
            memcpy(rest, w + o * p->inputs + whole, (p->inputs - whole) * sizeof *rest);
            memcpy(pairs + o, rest, sizeof rest);
        }
        add(sums, x + whole, p->width, pairs, rows, outs);
    }
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outs; o++) kept[r][o] = sums[r][o];
}

INLINE void strip(const Product *p, Sums *kept, long row, long output, long count, long first, long last,
                  const int rows) {
    const int outs = rows == ROWS ? OUTS - 1 : OUTS;
    long o = 0;
    for (; o + outs <= count; o += outs, kept++) tile(p, *kept, row, output + o, first, last, rows, outs);
    for (; o < count; o++, kept++) tile(p, *kept, row, output + o, first, last, rows, 1);
}

// The rows from `row` on, at most ROWS, of `count` outputs from `output` on.
static void block(const Product *p, long row, long output, long count) {
    const long rows = p->rows - row < ROWS ? p->rows - row : ROWS;
    const long depth = p->rows > ROWS ? DEPTH : p->width; // the inputs of a tile stay in the L1 cache
    const long outs = rows == ROWS ? OUTS - 1 : OUTS, whole = count / outs * outs;
    Sums kept[BLOCK]; // of `whole` outputs in tiles of `outs`, then of the others one by one
    memset(kept, 0, (whole / outs + count - whole) * sizeof *kept);
    for (long k = 0; k < p->width; k += depth) {
        const long last = k + depth < p->width ? k + depth : p->width;
        switch (rows) {
        case 1: strip(p, kept, row, output, count, k, last, 1); break;
        case 2: strip(p, kept, row, output, count, k, last, 2); break;
        case 3: strip(p, kept, row, output, count, k, last, 3); break;
        default: strip(p, kept, row, output, count, k, last, ROWS);
        }
    }
    for (long r = 0; r < rows; r++)
        for (long o = 0; o < count; o++) {
            const float total = o < whole ? sum(kept[o / outs][r][o % outs]) : sum(kept[whole / outs + o - whole][r][0]);
            const long place = (row + r) * p->outputs + output + o;
            if (p->half) ((uint16_t *)p->y)[place] = narrow(total);
            else ((float *)p->y)[place] = total;
        }
}

// x [rows, inputs] and y [rows, outputs], bfloat16 if half, else float32; w [outputs, inputs]. Returns 0 if it runs out
// of memory.
int half_linear(const void *x, const uint16_t *w, void *y, long rows, long outputs, long inputs, int half,
                int threads) {
    const long width = (inputs + PAIRS - 1) / PAIRS * PAIRS;
    float *sorted = malloc(sizeof(float) * (rows * width + 1));
    if (!sorted) return 0;
    const Product p = {sorted, w, y, rows, outputs, inputs, width, half};
    const long most = BYTES / (2 * (inputs + 1)) / 6 * 6, count = most < OUTS ? OUTS : most < BLOCK ? most : BLOCK;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (long r = 0; r < rows; r++)
            sort((const char *)x + r * inputs * (half ? 2 : 4), sorted + r * width, inputs, width, half);
#pragma omp for schedule(static)
        for (long o = 0; o < outputs; o += count)
            for (long r = 0; r < rows; r += ROWS) block(&p, r, o, outputs - o < count ? outputs - o : count);
    }
    free(sorted);
    return 1;
}
