// y = x wT in bfloat16 for up to four rows x: every weight is read once, in the order in which it lies, at the memory's
// speed. Matrix libraries are made for many rows and reach half of that here.

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

static bf16 narrow(float wide) {
    uint32_t bits;
    memcpy(&bits, &wide, sizeof bits);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16; // to nearest, ties to even
}

// One output of each row; `rows` is a constant wherever this is called, so that the sums stay in registers.
static inline __attribute__((always_inline)) void dot(
    const bf16 *x, const bf16 *w, bf16 *y, long outputs, long inputs, const int rows) {
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (long k = 0; k < inputs; k += 32) {
        __m512bh weights = (__m512bh)_mm512_loadu_si512(w + k);
        for (int r = 0; r < rows; r++)
            sums[r] = _mm512_dpbf16_ps(sums[r], weights, (__m512bh)_mm512_loadu_si512(x + r * inputs + k));
    }
    for (int r = 0; r < rows; r++) y[r * outputs] = narrow(_mm512_reduce_add_ps(sums[r]));
}

// x [rows, inputs], w [outputs, inputs], y [rows, outputs]; 1 to 4 rows, inputs a multiple of 32.
void skinny_linear(const bf16 *x, const bf16 *w, bf16 *y, long rows, long outputs, long inputs, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long o = 0; o < outputs; o++) switch (rows) {
        case 1: dot(x, w + o * inputs, y + o, outputs, inputs, 1); break;
        case 2: dot(x, w + o * inputs, y + o, outputs, inputs, 2); break;
        case 3: dot(x, w + o * inputs, y + o, outputs, inputs, 3); break;
        default: dot(x, w + o * inputs, y + o, outputs, inputs, 4);
        }
}
