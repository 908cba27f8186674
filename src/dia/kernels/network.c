// All layers of a decoder for one new row of each clip, in float32: norms, products, attention, activations, logits.
// For narrow models, in which the calls of single operations cost more than the computation. For wide models, the
// operations between the products are at the end of this file; the products themselves are in half.c and quantized.c.
//
// The sums of a row are added in the same order however many rows there are, so a clip's logits do not depend on the
// other clips. Vectors are GCC's, so that any processor can be compiled for. With AVX-512, those of products are
// wider, and the results are the same bit for bit. With AMX, rows are split in three of bfloat16 for products with
// weights in bfloat16; the sums have another order.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tiles.h"

enum { LANES = 8, PANEL = 32, WIDENED = 7, WIDEST = 128 };
#ifdef __AVX512F__
enum { WIDE_LANES = 16, TILE = 12 }; // of products, in which every sum has a lane of its own
#else
enum { WIDE_LANES = 8, TILE = 3 };
#endif
enum { VECTORS = PANEL / WIDE_LANES, MOST_ROWS = 12 };
enum { LINE = 16, AHEAD = 8 }; // numbers in a line of the cache; keys to fetch ahead

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t whole __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float wide_vec __attribute__((vector_size(4 * WIDE_LANES)));
typedef uint32_t wide_bits __attribute__((vector_size(4 * WIDE_LANES)));
typedef float wide_loose __attribute__((vector_size(4 * WIDE_LANES), aligned(4), may_alias));
typedef uint16_t short_loose __attribute__((vector_size(2 * WIDE_LANES), aligned(2), may_alias));

// Weights of products are in panels of PANEL outputs: [outputs / PANEL, inputs, PANEL], the last filled with zeros; in
// bfloat16 and with AMX in tiles, see tiles.h.
typedef struct {
    const float *own_norm, *text_norm, *mlp_norm;                        // [width]
    const void *own_in, *own_out, *text_in, *text_out, *gate_up, *down; // float32, or bfloat16 if `half`
    float *keys, *values;                                                // [slots, halves, groups, rows, head]
    const float *unconditional;                                          // [width]
} Layer;

typedef struct {
    const Layer *layer;
    const float *norm;
    const void *logits;
    long layers, width, heads, groups, head, text_heads, text_groups, text_head, inner, outputs, halves, rows, half;
    float eps, scale, text_scale;
} Network;

typedef struct {
    long clips, halves; // halves of the rows in use, at most those of the network
    const float *embedded, *angles;                       // [clips, width], cosines and signed sines [clips, 2, head]
    const long *slots, *lengths, *text_lengths;           // [clips]; lengths include the new row
    const float *const *text_keys, *const *text_values;   // [layers, clips]: [text_groups, length, text_head]
    float *const *attention; // [clips]: to the text, [layers, text_heads, length], written unless NULL
} Rows;

static long padded(long outputs) { return (outputs + PANEL - 1) / PANEL * PANEL; }

static inline vec load(const float *from) { return *(const loose *)from; }
static inline void save(float *to, vec numbers) { *(loose *)to = numbers; }
static inline vec all(float number) { return number - (vec){0}; }
static inline wide_vec load_wide(const float *from) { return *(const wide_loose *)from; }
static inline wide_vec widened(const uint16_t *from) {
    return (wide_vec)(__builtin_convertvector(*(const short_loose *)from, wide_bits) << 16);
}
static inline vec choose(whole which, vec yes, vec no) { return (vec)((which & (whole)yes) | (~which & (whole)no)); }
// Halves, then quarters, then pairs.
static inline float sum(vec n) {
    n += __builtin_shuffle(n, (whole){4, 5, 6, 7, 0, 1, 2, 3});
    n += __builtin_shuffle(n, (whole){1, 0, 3, 2, 5, 4, 7, 6});
    return n[0] + n[2];
}

// e^x, at least e^-87 and at most e^88: a power of two times a polynomial of the remainder, |r| <= ln 2 / 2.
static inline vec exponential(vec x) {
    x = choose(x < -87, all(-87), choose(x > 88, all(88), x));
    const vec turns = x * 1.44269504f, shifted = turns + 12582912.0f, n = shifted - 12582912.0f; // rounded
    const vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    vec power = all(1.0f / 5040);
    const float factors[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1, 1};
    for (int k = 0; k < 7; k++) power = power * r + factors[k];
    return power * (vec)((__builtin_convertvector(n, whole) + 127) << 23);
}

// `rows` rows, a constant, times one panel.
static inline __attribute__((always_inline)) void tile(
    const float *x, long inputs, const void *panel, const int half, float *y, long stride, const int rows) {
    wide_vec sums[MOST_ROWS][VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECTORS; v++) sums[r][v] = (wide_vec){0};
    for (long k = 0; k < inputs; k++) {
        wide_vec weights[VECTORS];
        for (int v = 0; v < VECTORS; v++) {
            const long at = k * PANEL + v * WIDE_LANES;
            weights[v] = half ? widened((const uint16_t *)panel + at) : load_wide((const float *)panel + at);
        }
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < VECTORS; v++) sums[r][v] += x[r * inputs + k] * weights[v];
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECTORS; v++) *(wide_loose *)(y + r * stride + v * WIDE_LANES) = sums[r][v];
}

static inline __attribute__((always_inline)) void tiles(
    const float *x, long rows, long inputs, const void *panel, const int half, float *y, long stride) {
    long r = 0;
    for (; r + TILE <= rows; r += TILE) tile(x + r * inputs, inputs, panel, half, y + r * stride, stride, TILE);
    for (; r + 4 <= rows; r += 4) tile(x + r * inputs, inputs, panel, half, y + r * stride, stride, 4);
    for (; r + 2 <= rows; r += 2) tile(x + r * inputs, inputs, panel, half, y + r * stride, stride, 2);
    for (; r < rows; r++) tile(x + r * inputs, inputs, panel, half, y + r * stride, stride, 1);
}

static long tiled_rows(long rows) { return TILED ? (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS : 0; }

#ifdef __AMX_BF16__
enum { PARTS = 3 };

static inline __attribute__((always_inline)) void block(
    const bfloat16 *parts, long apart, long width, const bfloat16 *weights, float *y, long stride, const int tall) {
    begin_block();
    for (long k = 0; k < width; k += TILE_INPUTS, weights += TILE_INPUTS * BLOCK) {
        for (int line = 0; line < TILE_INPUTS; line++) // two tiles, 32 lines of 64 bytes, are two steps ahead
            __builtin_prefetch(weights + (2 * TILE_INPUTS + line) * BLOCK);
        load_weights(weights, 1);
        for (int part = 0; part < PARTS; part++) {
            load_rows(parts + part * apart + k, width, tall);
            multiply(tall, 1);
        }
    }
    store_block(y, stride, tall, 1);
}

// As `linear`, after `begin_tiles`. Tiles have rows after the last, whose results are dropped.
static void tiled_linear(
    const float *x, const bfloat16 *w, float *y, long rows, long inputs, long outputs, bfloat16 *parts) {
    const long stride = padded(outputs), width = whole_tiles(inputs), apart = tiled_rows(rows) * width;
    float sums[BLOCK * BLOCK] __attribute__((aligned(64)));
    for (long r = 0; r < rows; r++) split_row(x + r * inputs, parts + r * width, inputs, apart, PARTS);
    for (long first = 0; first < outputs; first += BLOCK, w += BLOCK * width)
        for (long r = 0; r < rows; r += BLOCK) {
            const long count = rows - r < BLOCK ? rows - r : BLOCK, whole = count % TILE_ROWS == 0;
            float *to = y + r * stride + first;
            if (count > TILE_ROWS)
                block(parts + r * width, apart, width, w, whole ? to : sums, whole ? stride : BLOCK, 1);
            else
                block(parts + r * width, apart, width, w, whole ? to : sums, whole ? stride : BLOCK, 0);
            for (long n = 0; n < count && !whole; n++)
                memcpy(to + n * stride, sums + n * BLOCK, BLOCK * sizeof *sums);
        }
}
#endif

// y = x wT: x [rows, inputs], y [rows, padded(outputs)]. With many rows, each panel is widened only once.
static void linear(
    const float *x, const void *w, float *y, long rows, long inputs, long outputs, long half, float *wide) {
#ifdef __AMX_BF16__
    if (half) {
        tiled_linear(x, w, y, rows, inputs, outputs, (bfloat16 *)wide);
        return;
    }
#endif
    const long stride = padded(outputs);
    for (long first = 0; first < outputs; first += PANEL) {
        if (!half) {
            tiles(x, rows, inputs, (const float *)w + first * inputs, 0, y + first, stride);
        } else if (rows < WIDENED) {
            tiles(x, rows, inputs, (const uint16_t *)w + first * inputs, 1, y + first, stride);
        } else {
            const uint16_t *panel = (const uint16_t *)w + first * inputs;
            for (long k = 0; k < inputs * PANEL; k += WIDE_LANES) *(wide_loose *)(wide + k) = widened(panel + k);
            tiles(x, rows, inputs, wide, 0, y + first, stride);
        }
    }
}

// Rows `step` apart, divided by their root mean square, times a weight. The width is a multiple of LANES.
static void normalize_apart(
    const float *x, long step, const float *weight, float *y, long rows, long width, float eps) {
    for (; rows; rows--, x += step, y += width) {
        vec squares = all(0);
        for (long k = 0; k < width; k += LANES) squares += load(x + k) * load(x + k);
        const float scale = 1 / sqrtf(sum(squares) / width + eps);
        for (long k = 0; k < width; k += LANES) save(y + k, load(x + k) * scale * load(weight + k));
    }
}

static void normalize(const float *x, const float *weight, float *y, long rows, long width, float eps) {
    normalize_apart(x, width, weight, y, rows, width, eps);
}

static void add(float *x, const float *y, long width) {
    for (long k = 0; k < width; k += LANES) save(x + k, load(x + k) + load(y + k));
}

static void rotate(float *head, const float *angles, long width) {
    float turned[WIDEST];
    for (long d = 0; d < width; d++)
        turned[d] = head[d] * angles[d] + head[d < width / 2 ? d + width / 2 : d - width / 2] * angles[width + d];
    memcpy(head, turned, width * sizeof *head);
}

// scores[s] = the product of a query and key s [length, vectors], times `scale`; returns the most, or NaN. Memory is
// what takes the time, so the values, which are read next, are fetched meanwhile.
static inline __attribute__((always_inline)) float score(
    const float *query, const float *keys, const float *values, float *scores, long length, float scale,
    const long vectors) {
    const long width = vectors * LANES;
    float most = -INFINITY;
    for (long s = 0; s < length; s++, keys += width, values += width) {
        vec product = all(0);
        for (long v = 0; v < vectors; v += LINE / LANES) {
            __builtin_prefetch(keys + AHEAD * width + v * LANES);
            __builtin_prefetch(values + v * LANES);
        }
        for (long v = 0; v < vectors; v++) product += load(query + v * LANES) * load(keys + v * LANES);
        scores[s] = sum(product) * scale;
        most = scores[s] > most || scores[s] != scores[s] ? scores[s] : most;
    }
    return most;
}

// See `attend`; `vectors` is a constant where that is faster.
static inline __attribute__((always_inline)) void attend_heads(
    const float *query, const float *keys, const float *values, float *y, long queries, long length,
    const long vectors, float scale, float *scores, float *kept) {
    const long width = vectors * LANES, whole_length = (length + LANES - 1) / LANES * LANES;
    for (long q = 0; q < queries; q++, query += width, y += width) {
        const float most = score(query, keys, values, scores, length, scale, vectors);
        for (long s = length; s < whole_length; s++) scores[s] = -INFINITY;
        vec total = all(0), sums[WIDEST / LANES];
        for (long s = 0; s < whole_length; s += LANES) {
            const vec raised = exponential(load(scores + s) - most);
            save(scores + s, raised);
            for (long lane = length - s; lane < LANES; lane++) scores[s + lane] = 0;
            total += load(scores + s);
        }
        for (long v = 0; v < vectors; v++) sums[v] = all(0);
        for (long s = 0; s < length; s++)
            for (long v = 0; v < vectors; v++) sums[v] += scores[s] * load(values + s * width + v * LANES);
        const float share = 1 / sum(total);
        for (long v = 0; v < vectors; v++) save(y + v * LANES, sums[v] * share);
        for (long s = 0; kept && s < length; s++) kept[q * length + s] = scores[s] * share;
    }
}

// Attention of `queries` heads [queries, width] that share keys and values [length, width]. Its weights are written to
// `kept` [queries, length], unless it is NULL.
static void attend(const float *query, const float *keys, const float *values, float *y, long queries, long length,
                   long width, float scale, float *scores, float *kept) {
    if (width == 8 * LANES)
        attend_heads(query, keys, values, y, queries, length, 8, scale, scores, kept);
    else if (width == 16 * LANES)
        attend_heads(query, keys, values, y, queries, length, 16, scale, scores, kept);
    else
        attend_heads(query, keys, values, y, queries, length, width / LANES, scale, scores, kept);
}

typedef struct {
    float *hidden, *normed, *projected, *attended, *output, *scores, *wide;
} Scratch;

// Rotate the queries and keys of a new row [heads + 2 groups, head], and copy its keys and values to row `at` of
// [groups, capacity, head].
static void place_row(float *row, const float *angles, float *keys, float *values, long heads, long groups, long head,
                      long capacity, long at) {
    for (long h = 0; h < heads + groups; h++) rotate(row + h * head, angles, head);
    for (long g = 0; g < groups; g++) {
        memcpy(keys + (g * capacity + at) * head, row + (heads + g) * head, head * sizeof *keys);
        memcpy(values + (g * capacity + at) * head, row + (heads + groups + g) * head, head * sizeof *values);
    }
}

static void attend_rows(const Network *net, const Layer *layer, const Rows *rows, const Scratch *at) {
    const long count = rows->clips * rows->halves, head = net->head, queries = net->heads / net->groups;
    const long outputs = (net->heads + 2 * net->groups) * head, stride = padded(outputs);
    normalize(at->hidden, layer->own_norm, at->normed, count, net->width, net->eps);
    linear(at->normed, layer->own_in, at->projected, count, net->width, outputs, net->half, at->wide);
    for (long n = 0; n < count; n++) {
        const long clip = n / rows->halves, length = rows->lengths[clip];
        float *projected = at->projected + n * stride;
        const long kept = net->groups * net->rows * head, half = rows->slots[clip] * net->halves + n % rows->halves;
        float *keys = layer->keys + half * kept, *values = layer->values + half * kept;
        place_row(projected, rows->angles + clip * 2 * head, keys, values, net->heads, net->groups, head, net->rows,
                  length - 1);
        for (long g = 0; g < net->groups; g++)
            attend(projected + g * queries * head, keys + g * net->rows * head, values + g * net->rows * head,
                   at->attended + (n * net->heads + g * queries) * head, queries, length, head, net->scale, at->scores,
                   NULL);
    }
    linear(at->attended, layer->own_out, at->output, count, net->heads * head, net->width, net->half, at->wide);
    for (long n = 0; n < count; n++) add(at->hidden + n * net->width, at->output + n * padded(net->width), net->width);
}

// Rows of the unconditional half attend to a text whose positions are all equal: the result is a constant.
static void attend_texts(const Network *net, long number, const Rows *rows, const Scratch *at) {
    const Layer *layer = net->layer + number;
    const long clips = rows->clips, head = net->text_head, queries = net->text_heads / net->text_groups;
    const long stride = padded(net->text_heads * head), step = rows->halves * net->width;
    normalize_apart(at->hidden, step, layer->text_norm, at->normed, clips, net->width, net->eps);
    linear(at->normed, layer->text_in, at->projected, clips, net->width, net->text_heads * head, net->half, at->wide);
    for (long c = 0; c < clips; c++) {
        const float *keys = rows->text_keys[number * clips + c], *values = rows->text_values[number * clips + c];
        const long length = rows->text_lengths[c];
        float *kept = rows->attention[c] ? rows->attention[c] + number * net->text_heads * length : NULL;
        for (long g = 0; g < net->text_groups; g++)
            attend(at->projected + c * stride + g * queries * head, keys + g * length * head,
                   values + g * length * head, at->attended + (c * net->text_heads + g * queries) * head, queries,
                   length, head, net->text_scale, at->scores, kept ? kept + g * queries * length : NULL);
    }
    linear(at->attended, layer->text_out, at->output, clips, net->text_heads * head, net->width, net->half, at->wide);
    for (long c = 0; c < clips; c++) {
        add(at->hidden + c * step, at->output + c * padded(net->width), net->width);
        if (rows->halves == 2) add(at->hidden + c * step + net->width, layer->unconditional, net->width);
    }
}

// y [rows, inner] = SiLU of the first half of x [rows, 2 inner], `stride` apart, times the second.
static void gate(const float *x, long stride, float *y, long rows, long inner) {
    for (; rows; rows--, x += stride, y += inner)
        for (long k = 0; k < inner; k += LANES) {
            const vec gate = load(x + k);
            save(y + k, gate / (1 + exponential(-gate)) * load(x + inner + k));
        }
}

static void transform(const Network *net, const Layer *layer, long count, const Scratch *at) {
    const long inner = net->inner, stride = padded(2 * inner);
    normalize(at->hidden, layer->mlp_norm, at->normed, count, net->width, net->eps);
    linear(at->normed, layer->gate_up, at->projected, count, net->width, 2 * inner, net->half, at->wide);
    gate(at->projected, stride, at->attended, count, inner);
    linear(at->attended, layer->down, at->output, count, inner, net->width, net->half, at->wide);
    for (long n = 0; n < count; n++) add(at->hidden + n * net->width, at->output + n * padded(net->width), net->width);
}

static long widest(const Network *net) {
    const long own = (net->heads + 2 * net->groups) * net->head, text = net->text_heads * net->text_head;
    const long most = own > text ? own : text;
    return padded(most > 2 * net->inner ? most : 2 * net->inner);
}

static long longest_input(const Network *net) {
    const long own = net->heads * net->head, text = net->text_heads * net->text_head;
    long most = net->width > net->inner ? net->width : net->inner;
    most = own > most ? own : most;
    return text > most ? text : most;
}

// The number of floats that `run_network` needs for `count` rows of the network and `length` rows or ids to attend to.
long scratch_size(const Network *net, long count, long length) {
    const long row = 2 * net->width + 2 * widest(net) + padded(net->width);
    const long parts = 2 * tiled_rows(count) * whole_tiles(longest_input(net)); // 3 parts of 2 bytes, and an edge
    const long panel = longest_input(net) * PANEL;
    return count * row + length + LANES + (parts > panel ? parts : panel);
}

static float *at_edge(float *numbers) { return (float *)(((uintptr_t)numbers + 63) / 64 * 64); }

// logits [clips * halves, padded(outputs)]; scratch as `scratch_size` says, for the longest of all lengths.
void run_network(const Network *net, const Rows *rows, long longest, float *scratch, float *logits) {
    const long count = rows->clips * rows->halves, width = net->width;
    Scratch at = {.hidden = scratch};
    at.normed = at.hidden + count * width;
    at.projected = at.normed + count * width;
    at.attended = at.projected + count * widest(net);
    at.output = at.attended + count * widest(net);
    at.scores = at.output + count * padded(width);
    at.wide = TILED ? at_edge(at.scores + longest + LANES) : at.scores + longest + LANES;
#ifdef __AMX_BF16__
    begin_tiles();
#endif
    for (long n = 0; n < count; n++)
        memcpy(at.hidden + n * width, rows->embedded + n / rows->halves * width, width * sizeof *scratch);
    for (long number = 0; number < net->layers; number++) {
        attend_rows(net, net->layer + number, rows, &at);
        attend_texts(net, number, rows, &at);
        transform(net, net->layer + number, count, &at);
    }
    normalize(at.hidden, net->norm, at.normed, count, width, net->eps);
    linear(at.normed, net->logits, logits, count, width, net->outputs, net->half, at.wide);
#ifdef __AMX_BF16__
    _tile_release();
#endif
}

// The operations between the products of a wide decoder.

void norm_rows(const float *x, const float *weight, float *y, long rows, long width, float eps) {
    normalize(x, weight, y, rows, width, eps);
}

void gate_rows(const float *x, float *y, long rows, long inner) { gate(x, 2 * inner, y, rows, inner); }

// Attention to a text: query and y [groups, queries, head], keys and values [groups, length, head].
void attend_text(const float *query, const float *keys, const float *values, float *y, long groups, long queries,
                 long length, long head, float scale, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long g = 0; g < groups; g++) {
        float scores[length + LANES];
        attend(query + g * queries * head, keys + g * length * head, values + g * length * head,
               y + g * queries * head, queries, length, head, scale, scores, NULL);
    }
}

// A new row of a clip: rotate it, keep its keys and values, and attend to all rows so far. row [halves, heads +
// 2 groups, head] is changed; angles [2, head]; keys and values [halves, groups, capacity, head]; y [halves, heads,
// head]; length includes the new row.
void attend_new_row(float *row, const float *angles, float *keys, float *values, float *y, long halves, long heads,
                    long groups, long head, long capacity, long length, float scale, int threads) {
    const long queries = heads / groups, width = (heads + 2 * groups) * head;
    for (long h = 0; h < halves; h++) {
        const long kept = h * groups * capacity * head;
        place_row(row + h * width, angles, keys + kept, values + kept, heads, groups, head, capacity, length - 1);
    }
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long pair = 0; pair < halves * groups; pair++) {
        const long kept = pair * capacity * head, first = pair % groups * queries;
        float scores[length + LANES];
        attend(row + pair / groups * width + first * head, keys + kept, values + kept,
               y + (pair / groups * heads + first) * head, queries, length, head, scale, scores, NULL);
    }
}
