import { expect, test } from 'vitest';
import { engramKind, readEngram, readSerf, serfKind } from './kinds.js';

test.each([
  ['    2026/03/01 12:46:26 [INFO] serf: EventMemberJoin: n1 127.0.0.1', { member: 'n1', state: 'alive' }],
  ['    2026/03/01 12:46:32 [INFO] serf: EventMemberFailed: n1 127.0.0.1', { member: 'n1', state: 'gone' }],
  ['    2026/03/01 12:46:32 [INFO] serf: EventMemberLeave: n1 127.0.0.1', { member: 'n1', state: 'gone' }],
  ['    2026/03/01 12:46:27 [INFO] agent: Received event: member-failed', undefined],
  ['    2026/03/01 12:46:32 [INFO] memberlist: Suspect n1 has failed, no acks received', undefined],
])('of Serf the line %j says %o', (line, sighting) => {
  expect(readSerf(line)).toEqual(sighting);
});

test.each([
  ['change joined n1', { member: 'n1', state: 'alive' }],
  ['change restarted n1', { member: 'n1', state: 'alive' }],
  ['change dead n1', { member: 'n1', state: 'gone' }],
  ['change suspect n1', undefined],
  ['metrics {}', undefined],
])('of engram the line %j says %o', (line, sighting) => {
  expect(readEngram(line)).toEqual(sighting);
});

test('the first node is given nobody to join, and only an encrypted one a key', () => {
  const first = { name: 'n0', port: 1, sparePort: 2 };
  const next = { ...first, name: 'n1', seed: 1, key: 'a2V5' };
  expect(serfKind('lan').command(first).filter((word) => /^-(join|encrypt)/.test(word))).toEqual([]);
  expect(serfKind('lan').command(next).filter((word) => /^-(join|encrypt)/.test(word))).toEqual(['-join=127.0.0.1:1', '-encrypt=a2V5']);
  expect(JSON.parse(engramKind('fast', 'node.mjs').command(next).at(-1)!)).toEqual({ name: 'n1', port: 1, seed: 1, key: 'a2V5', preset: 'fast' });
});
