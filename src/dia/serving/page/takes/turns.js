// The turns of a take and their times: by the estimate of a preview at first, then as they were spoken.

/** The turns of a preview, those that a pause divides joined; `range` is their place in the script, for a textarea. */
export function groupedTurns(turns, script) {
  const place = placesOf(script);
  const grouped = [];
  for (const turn of turns) {
    const last = grouped.at(-1);
    const seconds = turn.estimated_seconds + turn.pause_seconds;
    if (last?.index === turn.turn_index) {
      last.text += ` ${turn.text}`;
      last.seconds += seconds;
      last.range[1] = place(turn.end);
    } else {
      const { turn_index: index, speaker, text } = turn;
      grouped.push({ index, speaker, text, seconds, range: [place(turn.start), place(turn.end)] });
    }
  }
  return grouped;
}

/** The turns one after the other, each as long as estimated. */
export function estimatedTurns(turns) {
  let end = 0;
  return turns.map((turn) => ({ ...turn, start: end, end: (end += turn.seconds) }));
}

/** The turns with the times of those that are finished; the others follow, each as long as estimated. */
export function finishedTurns(turns, finished) {
  const timed = turns.map((turn) => ({ ...turn }));
  let last = -1;
  for (const { speaker, start_seconds: start, end_seconds: end } of finished) {
    if (timed[last]?.speaker === speaker) timed[last].end = end;
    else {
      const next = timed.findIndex((turn, index) => index > last && turn.speaker === speaker);
      if (next < 0) continue;
      last = next;
      Object.assign(timed[last], { start, end });
    }
  }
  let end = timed[last]?.end ?? 0;
  return timed.map((turn, index) => (index <= last ? turn : { ...turn, start: end, end: (end += turn.seconds) }));
}

/** The turns with the times of an answer. A turn that was not spoken has no length. */
export function exactTurns(turns, segments) {
  const found = new Map(segments.map((segment) => [segment.turn_index, segment]));
  let end = 0;
  return turns.map((turn) => {
    const segment = found.get(turn.index);
    const start = segment?.start_seconds ?? end;
    end = segment?.end_seconds ?? end;
    return { ...turn, start, end };
  });
}

/** The number of the turn that sounds at a time: the last that has begun; -1 before the first. */
export function turnAt(turns, seconds) {
  return turns.findLastIndex((turn) => turn.start <= seconds + 0.02 && turn.end > turn.start);
}

/** Converts positions in code points, which the server counts, to those of a JavaScript string. */
function placesOf(text) {
  if (!/[\ud800-\udfff]/.test(text)) return (position) => position;
  const places = [0];
  for (const character of text) places.push(places.at(-1) + character.length);
  return (position) => places[Math.min(position, places.length - 1)];
}
