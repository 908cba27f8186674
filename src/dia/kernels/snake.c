// u + sin(u)^2 with u = slope x, elementwise, in one pass over memory; intermediate values are float32. Each column has
// one slope; without slopes, u is x. y may be x. For CPUs with AVX-512 and bfloat16;
// codec.c has the Snake for others.

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

typedef uint16_t bf16;

// sin(u)^2 has period pi: u is reduced to [-pi/2, pi/2] with pi in three parts, and the sine is a polynomial.
static inline __m512 snake(__m512 u) {
    __m512 turns = _mm512_roundscale_ps(_mm512_mul_ps(u, _mm512_set1_ps(0.318309886f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(turns, _mm512_set1_ps(3.140625f), u);
    r = _mm512_fnmadd_ps(turns, _mm512_set1_ps(9.67502593994140625e-4f), r);
    r = _mm512_fnmadd_ps(turns, _mm512_set1_ps(1.509957990978376e-7f), r);
    __m512 z = _mm512_mul_ps(r, r), sum = _mm512_set1_ps(2.587217978e-6f);
    sum = _mm512_fmadd_ps(sum, z, _mm512_set1_ps(-1.979926455e-4f));
    sum = _mm512_fmadd_ps(sum, z, _mm512_set1_ps(8.332872763e-3f));
    sum = _mm512_fmadd_ps(sum, z, _mm512_set1_ps(-0.166666463f));
    sum = _mm512_fmadd_ps(sum, z, _mm512_set1_ps(1.0f));
    __m512 sine = _mm512_mul_ps(sum, r);
    return _mm512_fmadd_ps(sine, sine, u);
}

static inline __mmask16 lanes(long left) { return left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1); }

// x, y [rows, width], slope [width] or NULL.
void snake_float(const float *x, const float *slope, float *y, long rows, long width, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < rows; row++)
        for (long c = 0; c < width; c += 16) {
            __mmask16 some = lanes(width - c);
            __m512 u = _mm512_maskz_loadu_ps(some, x + row * width + c);
            if (slope) u = _mm512_mul_ps(u, _mm512_maskz_loadu_ps(some, slope + c));
            _mm512_mask_storeu_ps(y + row * width + c, some, snake(u));
        }
}

void snake_half(const bf16 *x, const float *slope, bf16 *y, long rows, long width, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < rows; row++)
        for (long c = 0; c < width; c += 16) {
            __mmask16 some = lanes(width - c);
            __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, x + row * width + c));
            __m512 u = _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
            if (slope) u = _mm512_mul_ps(u, _mm512_maskz_loadu_ps(some, slope + c));
            _mm256_mask_storeu_epi16(y + row * width + c, some, (__m256i)_mm512_cvtneps_pbh(snake(u)));
        }
}
