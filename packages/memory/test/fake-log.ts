import { hlcOf, parseMemoryId, parseSpaceId, Random } from '@engram/kernel';
import type { Memory } from '../src/core/index.js';
import type { LoggedOperation, Operation } from '../src/node/operation.js';

const spaces = ['abc', 'abcd', 'abc-d'].map(parseSpaceId);
const words = ['ferry', 'Oslo', 'Marta', 'winter', 'piano', 'bread', 'lighthouse', 'Tuesday', 'letter', 'garden'];
const startMs = 1_700_000_000_000;

/**
 * A log of `length` operations, the same for the same seed: stores, repeated ids, forgets of known and unknown ids, policies,
 * idempotency keys, embeddings. Parent and child of the kill test each make it for themselves.
 */
export function fakeLog(seed: number | string, length: number, idsPerSpace = 40): LoggedOperation[] {
  const random = Random.fromSeed(seed);
  return Array.from({ length }, (_, i) => {
    const lsn = i + 1;
    const partition = random.below(4);
    return { lsn, hlc: hlcOf(startMs + lsn, 0), partition, epoch: 1, seq: lsn, operation: anyOperation(random, lsn, idsPerSpace) };
  });
}

function anyOperation(random: Random, lsn: number, ids: number): Operation {
  const space = random.pick(spaces);
  const id = parseMemoryId(`m${random.below(ids)}`);
  const mark = random.chance(0.2)
    ? { idempotency: { key: `key ${random.below(6)}`, fingerprint: `f${random.below(2)}`, expiresAtMs: startMs + lsn + random.below(20) } }
    : {};
  if (random.chance(0.05)) return { kind: 'set-space-policy', space, policy: random.chance(0.5) ? { ack: 'local' } : { partitionPolicy: 'available' } };
  if (random.chance(0.25)) return { kind: 'forget', space, id, atMs: startMs + lsn, ...mark };
  return { kind: 'store', memory: anyMemory(random, space, id, lsn), ...mark };
}

function anyMemory(random: Random, space: Memory['space'], id: Memory['id'], lsn: number): Memory {
  const content = Array.from({ length: 3 + random.below(12) }, () => random.pick(words)).join(' ');
  return {
    id, space, content,
    tags: random.chance(0.5) ? [random.pick(['red', 'green', 'blue'])] : [],
    confidence: random.below(101) / 100,
    whenMs: startMs - random.below(1_000_000),
    storedAtMs: startMs + lsn,
    ...(random.chance(0.3) ? { embedding: Float32Array.from({ length: random.chance(0.9) ? 3 : 4 }, () => 1 + random.below(9)) } : {}),
    ...(random.chance(0.2) ? { metadata: { lsn, nested: { list: [1, 'two', null] } } } : {}),
  };
}
