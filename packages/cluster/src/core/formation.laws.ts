import { applyFaults, randomFaultSchedule } from '@engram/kernel/sim';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { belongings, formationWorld, type FormationTrial } from '../../test/formation-world.js';
import { decodeFormationMessage, encodeFormationMessage, formationBytesMax } from './formation-codec.js';
import type { FormationMessage } from './formation-messages.js';

/**
 * Faults from the first moment for twenty seconds, then calm. Every disk keeps what was synced: acceptors that lose theirs
 * forget what they promised, and nodes that have all lost theirs rightly form another cluster (seed 512404 with 2 nodes).
 */
function run(trial: FormationTrial): { readonly ids: Set<string>; readonly undecided: number } {
  const world = formationWorld({ ...trial, options: { link: { loss: 0.1, duplicate: 0.05 } } });
  const nodes = Array.from({ length: trial.nodes }, (_, i) => `n${i}`);
  const ids = new Set<string>();
  world.onTrace(({ what, details }) => void (what === 'joined' && ids.add(String(details[0]))));
  const faults = randomFaultSchedule(world.random('nemesis'), { nodes, fromMs: 0, untilMs: 20_000, everyMs: 150, lastsMsMax: 3_000, downMax: trial.nodes, kinds: ['kill', 'pause', 'partition', 'block', 'disturb'] });
  applyFaults(world, faults.map((fault) => (fault.kind === 'restart' ? { ...fault, storage: 'kept' as const } : fault)));
  world.run({ untilMs: 60_000 });
  return { ids, undecided: belongings(world, trial.nodes).filter((id) => id === undefined).length };
}

describe('forming a cluster in a faulty world', () => {
  it('ends with every node in the one cluster, when all nodes are expected', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 1_000_000 }), fc.constantFrom(2, 3, 5), (seed, nodes) => {
      const { ids, undecided } = run({ seed, nodes, expect: nodes });
      expect(ids.size).toBe(1);
      expect(undecided).toBe(0);
    }), { numRuns: 25 });
  });

  it('never forms two clusters when more than half of the nodes are expected', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 1_000_000 }), (seed) => {
      expect(run({ seed, nodes: 5, expect: 3 }).ids.size).toBeLessThanOrEqual(1);
    }), { numRuns: 25 });
  });

  it('forms none when nobody was told to', () => {
    expect(run({ seed: 1, nodes: 3 }).ids.size).toBe(0);
  });

  it('would form two if promises were forgotten in a restart, so the law above can fail', () => {
    const found = Array.from({ length: 100 }, (_, seed) => seed).find((seed) => run({ seed, nodes: 5, expect: 3, forgets: 'promises' }).ids.size > 1);
    expect(found).toBeDefined();
  });
});

describe('the bytes of formation', () => {
  const id = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/);
  const ballot = fc.record({ round: fc.integer({ min: 1, max: 1_000_000_000 }), node: id });
  const message = fc.oneof(
    fc.record({ kind: fc.constant('prepare'), ballot, expect: fc.integer({ min: 1, max: 1_000 }) }),
    fc.record({ kind: fc.constant('promise'), ballot, accepted: fc.record({ ballot, clusterId: id }) }, { requiredKeys: ['kind', 'ballot'] }),
    fc.record({ kind: fc.constant('accept'), ballot, clusterId: id }),
    fc.record({ kind: fc.constant('accepted'), ballot }),
    fc.record({ kind: fc.constant('refuse'), ballot, promised: ballot }),
    fc.record({ kind: fc.constant('decline'), ballot, reason: fc.constantFrom('other-expectation', 'no-expectation', 'holds-memories') }),
    fc.record({ kind: fc.constant('decided'), clusterId: id }),
  ) as fc.Arbitrary<FormationMessage>;

  it('come back as the message that was sent, within the bound', () => {
    fc.assert(fc.property(message, (sent) => {
      const bytes = encodeFormationMessage(sent);
      expect(bytes.length).toBeLessThanOrEqual(formationBytesMax);
      expect(decodeFormationMessage(bytes)).toEqual(sent);
    }));
  });

  it('are never mistaken, whatever they are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => { expect(decodeFormationMessage(bytes)).toBeUndefined(); }));
    const words = fc.array(fc.constantFrom('form1', 'prepare', 'promise', 'decline', 'decided', 'x', '3', '-1', '', 'toString', '99999999999'), { maxLength: 8 });
    fc.assert(fc.property(words, (line) => {
      const decoded = decodeFormationMessage(new TextEncoder().encode(line.join(' ')));
      if (decoded) expect(new TextDecoder().decode(encodeFormationMessage(decoded))).toBe(line.join(' '));
    }));
  });
});
