// y = x wT in bfloat16 for a few rows x: weights are read once, at the memory's speed, and used for four rows at a time.
// While the later rows compute with a block of weights, the next block is fetched. Matrix libraries are made for many
// rows and reach half of that here.

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

enum { TILE = 4 }; // rows or outputs of one tile
enum { BLOCK = 32, BLOCK_OF_LONG = 16, LONG = 4096 }; // outputs of one task: two tasks' weights fit the second cache
enum { LINES = 2 }; // of 64 bytes, to be fetched ahead with every step of a tile

static bf16 narrow(float wide) {
    uint32_t bits;
    memcpy(&bits, &wide, sizeof bits);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16; // to nearest, ties to even
}

// `rows` rows of x times `outs` rows of w; both are constants wherever this is called, so that the sums stay in registers.
static inline __attribute__((always_inline)) void tile(
    const bf16 *x, const bf16 *w, bf16 *y, long outputs, long inputs, const int rows, const int outs,
    const char **ahead) {
    __m512 sums[TILE][TILE];
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outs; o++) sums[r][o] = _mm512_setzero_ps();
#pragma GCC unroll 4
    for (long k = 0; k < inputs; k += 32) {
        for (int line = 0; ahead && line < LINES; line++, *ahead += 64) _mm_prefetch(*ahead, _MM_HINT_T1);
        __m512bh weights[TILE];
        for (int o = 0; o < outs; o++) weights[o] = (__m512bh)_mm512_loadu_si512(w + o * inputs + k);
        for (int r = 0; r < rows; r++) {
            __m512bh values = (__m512bh)_mm512_loadu_si512(x + r * inputs + k);
            for (int o = 0; o < outs; o++) sums[r][o] = _mm512_dpbf16_ps(sums[r][o], weights[o], values);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outs; o++) y[r * outputs + o] = narrow(_mm512_reduce_add_ps(sums[r][o]));
}

// `rows` rows, a constant again, for `count` outputs. One output at a time is read best while the rows are few and short
// enough to stay in the first cache.
static inline __attribute__((always_inline)) void strip(
    const bf16 *x, const bf16 *w, bf16 *y, long count, long outputs, long inputs, const int rows, const char **ahead) {
    long o = 0;
    if (rows > 2 || rows * inputs > 8192)
        for (; o + TILE <= count; o += TILE) tile(x, w + o * inputs, y + o, outputs, inputs, rows, TILE, ahead);
    for (; o < count; o++) tile(x, w + o * inputs, y + o, outputs, inputs, rows, 1, ahead);
}

// x [rows, inputs], w [outputs, inputs], y [rows, outputs]; inputs is a multiple of 32.
void skinny_linear(const bf16 *x, const bf16 *w, bf16 *y, long rows, long outputs, long inputs, int threads) {
    long block = inputs > LONG ? BLOCK_OF_LONG : BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long first = 0; first < outputs; first += block) {
        long count = outputs - first < block ? outputs - first : block, r = 0;
        const bf16 *part = w + first * inputs;
        const char *ahead = (const char *)(part + block * inputs);
        if (rows >= 4) strip(x, part, y + first, count, outputs, inputs, 4, NULL), r = 4;
        for (; r + 4 <= rows; r += 4)
            strip(x + r * inputs, part, y + r * outputs + first, count, outputs, inputs, 4, &ahead);
        const bf16 *rest = x + r * inputs;
        bf16 *out = y + r * outputs + first;
        if (rows - r == 3) strip(rest, part, out, count, outputs, inputs, 3, NULL);
        if (rows - r == 2) strip(rest, part, out, count, outputs, inputs, 2, NULL);
        if (rows - r == 1) strip(rest, part, out, count, outputs, inputs, 1, NULL);
    }
}
