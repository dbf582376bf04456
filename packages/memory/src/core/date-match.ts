import { fitOf, namedRanges, reachOf } from './dates.js';
import type { Evidence } from './evidence.js';
import type { MemoryTable } from './memory-table.js';
import type { ResolvedRecallTuning } from './options.js';

/** So many memories of a named date become candidates by their time alone, the earliest first. */
export const datedCandidatesMax = 256;

/** Notes for each candidate how well its time fits a date the cue's text names, and brings in memories of those dates. */
export function matchDates(table: MemoryTable, tuning: ResolvedRecallTuning, text: string, evidence: Evidence): void {
  const first = table.timeline.first();
  const last = table.timeline.last();
  if (tuning.timeWeight === 0 || first === undefined || last === undefined) return;
  const ranges = namedRanges(text, table.whenMs(first), table.whenMs(last));
  if (ranges.length === 0) return;

  let broughtIn = 0;
  for (const { fromMs, untilMs } of ranges) {
    const start = table.timeline.firstWhere((ordinal) => table.whenMs(ordinal) >= fromMs);
    for (const ordinal of table.timeline.forwardFrom(start)) {
      if (broughtIn === datedCandidatesMax || table.whenMs(ordinal) >= untilMs + reachOf(tuning.timeGapMs)) break;
      if (evidence.admit(ordinal)) broughtIn++;
    }
  }
  evidence.eachCandidate((ordinal) => {
    for (const range of ranges) {
      const fit = fitOf(range, table.whenMs(ordinal), tuning.timeGapMs);
      if (fit > evidence.time[ordinal]!) evidence.time[ordinal] = fit;
    }
  });
}
