// Chooses the next ids of clips from their logits and writes them, for all channels at once: guidance, temperature,
// top-k, top-p, counter-based noise, the end of speech, delays and forced ids. In PyTorch these are 120 operations on a
// few hundred numbers. What each rule does is documented in dia/decoding/step/sampler.py and step.py.

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { FEW = 100 }; // candidates up to this number are inserted one by one

// The state of all slots.
typedef struct {
    int64_t *ids;                                                // [slots, channels, rows]
    const int64_t *forced;                                       // the same; `pad` in cells that are drawn
    bool *ended, *finite;                                        // [slots, channels], [slots]
    int64_t *row;                                                // [slots], the next row
    const int64_t *live, *last_end, *first_row, *keys, *delays; // [slots], and [channels]
    const float *guidance, *temperature, *excluded, *shortest;  // [slots]
    long channels, rows, size, eos, pad;
} State;

// How a clip's ids are drawn; 0 turns a rule off.
typedef struct {
    long sample, guided, candidates, top_k, top_p;
} Kind;

typedef struct {
    float score, rank; // candidates are chosen by rank and drawn by score
    long id;
} Candidate;

static int by_rank(const void *one, const void *other) {
    const float a = ((const Candidate *)one)->rank, b = ((const Candidate *)other)->rank;
    return (a < b) - (a > b);
}

// The `count` candidates with the highest ranks of `total`, the highest first, moved to the front.
static long best(Candidate *from, long total, long count) {
    if (count > total) count = total;
    if (count > FEW) {
        qsort(from, total, sizeof *from, by_rank);
        return count;
    }
    for (long next = 1; next < total; next++) {
        const Candidate one = from[next];
        long place = next < count ? next : count;
        if (next >= count && !(one.rank > from[count - 1].rank)) continue;
        if (place == count) place = count - 1;
        for (; place > 0 && one.rank > from[place - 1].rank; place--) from[place] = from[place - 1];
        from[place] = one;
    }
    return count;
}

// Exponential noise with mean 1, as `dia.decoding.noise.exponential` computes it.
static float noise(int64_t key, int64_t counter) {
    uint64_t mixed = (uint64_t)key + (uint64_t)counter * 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    mixed ^= mixed >> 31;
    return -logf(((float)(mixed >> 41) + 0.5f) * 0x1p-23f);
}

// The place of the candidate that is drawn; candidates are in order, the likeliest first.
static long draw(const Candidate *from, long count, const Kind *kind, float excluded, int64_t key, int64_t counter) {
    float weights[count], sum = 0, below = 0, most = -INFINITY;
    for (long k = count - 1; k >= 0; k--) sum += weights[k] = expf(from[k].score - from[0].score);
    long drawn = 0;
    for (long k = count - 1; k >= 0; k--) {
        below += weights[k] / sum;
        if (kind->top_p && below <= excluded && k) continue;
        const float chance = weights[k] / noise(key, counter + from[k].id);
        if (chance > most) most = chance, drawn = k;
    }
    return drawn;
}

// The next id of one channel.
static int64_t choose(const State *state, const Kind *kind, long slot, long channel, const float *logits,
                      const float *unconditional) {
    Candidate found[state->size];
    const int64_t before = state->row[slot] - state->first_row[slot];
    for (long id = 0; id < state->size; id++) {
        const float guided = kind->guided ? logits[id] + state->guidance[slot] * (logits[id] - unconditional[id]) : 0;
        const float score = kind->guided && !kind->candidates ? guided : logits[id];
        found[id] = (Candidate){score / state->temperature[slot], kind->guided ? guided : logits[id], id};
    }
    long count = state->size, codes = 0;
    if (kind->guided && kind->candidates) count = best(found, count, kind->candidates);
    float end = -INFINITY;
    for (long k = 0; k < count; k++) {
        if (found[k].id == state->eos) end = found[k].score;
        found[codes] = found[k];
        found[codes].rank = found[k].score;
        codes += found[k].id < state->eos;
    }
    if (!codes) return channel || !(end > -INFINITY && before >= state->shortest[slot]) ? 0 : state->eos;
    const long kept = !kind->sample ? 1 : kind->top_k && kind->top_k < codes ? kind->top_k : codes;
    best(found, codes, kept);
    if (!channel && end > found[0].score && before >= state->shortest[slot]) return state->eos;
    const int64_t counter = (before * state->channels + channel) * state->size;
    const long drawn = kind->sample ? draw(found, kept, kind, state->excluded[slot], state->keys[slot], counter) : 0;
    return found[drawn].id;
}

// Write the next row of a clip. The logits are [halves, stride], and the first channels · size of each half are used.
static void write_row(
    const State *state, const Kind *kind, long slot, const float *logits, const float *unconditional) {
    const long channels = state->channels, row = state->row[slot];
    int64_t picked[channels], *ids = state->ids + slot * channels * state->rows;
    const int64_t *forced = state->forced + slot * channels * state->rows;
    bool *ended = state->ended + slot * channels;
    float sum = 0; // NaN if a logit is not finite
    for (long k = 0; k < channels * state->size; k++) sum += logits[k] * 0 + (kind->guided ? unconditional[k] * 0 : 0);
    const bool finite = state->finite[slot] = sum == 0;
    for (long c = 0; c < channels; c++)
        picked[c] =
            finite ? choose(state, kind, slot, c, logits + c * state->size, unconditional + c * state->size) : 0;
    const bool now = picked[0] == state->eos || row >= state->last_end[slot];
    for (long c = 0; c < channels; c++) {
        const long before = row - state->delays[c];
        const bool ends = state->delays[c] ? before >= 0 && ids[before] == state->eos : now;
        const int64_t given = forced[c * state->rows + row], chosen = ends ? state->eos : picked[c];
        const int64_t drawn = given != state->pad ? given : ended[c] ? state->pad : chosen;
        ids[c * state->rows + row] = drawn;
        ended[c] |= drawn == state->eos;
    }
    state->row[slot] = row + state->live[slot];
}

// Write the next row of each clip: slots [clips], kinds [clips], logits [clips, halves, stride].
void write_rows(const State *state, long clips, const long *slots, const Kind *kinds, const float *logits, long halves,
                long stride) {
    for (long clip = 0; clip < clips; clip++) {
        const float *own = logits + clip * halves * stride;
        write_row(state, kinds + clip, slots[clip], own, halves == 2 ? own + stride : own);
    }
}
